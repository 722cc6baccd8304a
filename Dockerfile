# One image for the three services and for what operators run; the command says which.
# Written for the classic builder and for BuildKit alike, so without what only one of them knows.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
COPY requirements/run.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt \
 && rm -rf /venv/lib/python3*/site-packages/pip /venv/lib/python3*/site-packages/pip-* /venv/bin/pip*

FROM ${PYTHON_IMAGE}
COPY --from=packages /venv /venv
WORKDIR /app
COPY clients/python/levelgate levelgate
COPY gateway gateway
COPY operations/__init__.py operations/
COPY operations/commands operations/commands
COPY operations/deployment operations/deployment
COPY services services
# Readable whatever the umask of the checkout was; compiled here, as the root will be read-only. The
# folders under /provision give their owner to the volumes that are mounted there.
RUN chmod -R a+rX /app && chmod a+x operations/deployment/healthz.bash \
 && /venv/bin/python -m compileall -q /venv/lib /app \
 && mkdir -p /provision/secrets /provision/store /provision/gateway \
 && chown -R 10001:10001 /provision
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
CMD ["python", "-m", "services.member_level"]
