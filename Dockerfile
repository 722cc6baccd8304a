# One image for the services and the operators' commands; the container's command selects which.
# It uses only features that the classic builder and BuildKit both have.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
COPY requirements/run.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt \
 && rm -rf /venv/lib/python3*/site-packages/pip /venv/lib/python3*/site-packages/pip-* /venv/bin/pip*

FROM ${PYTHON_IMAGE}
# tests/unit/test_image_and_version.py compares it with clients/python/levelgate/__init__.py.
LABEL org.opencontainers.image.version="0.1.0"
COPY --from=packages /venv /venv
WORKDIR /app
COPY clients/python/levelgate levelgate
COPY gateway gateway
COPY operations/__init__.py operations/
COPY operations/commands operations/commands
COPY operations/deployment operations/deployment
COPY services services
# The files must be readable whatever the umask of the checkout was, and are compiled here because
# the container's root is read-only. A new volume takes the owner of the folder that it is mounted on.
RUN chmod -R a+rX /app && chmod a+x operations/deployment/healthz.bash \
 && /venv/bin/python -m compileall -q /venv/lib /app \
 && mkdir -p /provision/secrets /provision/store /provision/gateway \
 && chown -R 10001:10001 /provision
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
CMD ["python", "-m", "services.member_level"]
