// Calls the gateway's JSON API. The token and the credentials are kept in this object only, so that
// they are gone when the page is closed.

/** A failed call: `reason` and `field` are those of docs/errors.md, or UNREACHABLE without an answer. */
export class ApiError extends Error {
  constructor(reason, { message = "", field = "", status = 0, requestId = "", retryAfter = 0 } = {}) {
    super(message || reason);
    Object.assign(this, { reason, field, status, requestId, retryAfter });
  }
}

const TOKENS = "/upbot/api/auth/";
// Longer than any call of the console takes: the gateway answers the slowest within 10.5 seconds.
const TIMEOUT_MS = 15_000;

export class Api {
  #appid = "";
  #access = "";
  #refresh = "";
  /** The refresh in progress, for which all calls that need it wait. */
  #renewal = null;
  scopes = new Set();

  get isSignedIn() {
    return this.#access !== "";
  }

  get appid() {
    return this.#appid;
  }

  has(scope) {
    return this.scopes.has(scope);
  }

  async signIn(appid, secret) {
    const body = { appid, app_secret: secret, grant_type: "client_credentials" };
    this.#keep(appid, await this.#send("POST", `${TOKENS}GetAccessToken`, { body }));
  }

  signOut() {
    this.#appid = this.#access = this.#refresh = "";
    this.scopes = new Set();
  }

  /** The `data` of the reply. An expired access token is refreshed once. */
  async get(path, query = {}) {
    return this.#authorized("GET", path, { query });
  }

  async post(path, body = {}) {
    return this.#authorized("POST", path, { body });
  }

  async #authorized(method, path, parameters) {
    const used = this.#access;
    const appid = this.#appid;
    try {
      return await this.#send(method, path, parameters, used);
    } catch (error) {
      if (error.reason !== "TOKEN_INVALID") throw error;
    }
    if (this.#access === used) await (this.#renewal ??= this.#renew());
    // Somebody else may have signed in meanwhile, who did not ask for this call.
    if (this.#appid !== appid) throw new ApiError("SESSION_ENDED");
    return this.#send(method, path, parameters, this.#access).catch(ended);
  }

  async #renew() {
    const [appid, refresh] = [this.#appid, this.#refresh];
    const body = { appid, refresh_token: refresh, grant_type: "refresh_token" };
    try {
      const pair = await this.#send("POST", `${TOKENS}RefreshToken`, { body }).catch(ended);
      if (this.#refresh === refresh) this.#keep(appid, pair);
    } finally {
      this.#renewal = null;
    }
  }

  #keep(appid, data) {
    this.#appid = appid;
    this.#access = data.access_token;
    this.#refresh = data.refresh_token;
    this.scopes = new Set(data.scope.split(" ").filter(Boolean));
  }

  async #send(method, path, { query = {}, body } = {}, token = "") {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
    const target = given.length ? `${path}?${new URLSearchParams(given)}` : path;
    const headers = {};
    if (token) headers.authorization = token;
    if (body) headers["content-type"] = "application/json";
    let response, text;
    try {
      response = await fetch(target, {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch {
      throw new ApiError("UNREACHABLE");
    }
    return read(response, text);
  }
}

/** A token that is refused although it is new, or cannot be renewed, ends the session. */
function ended(error) {
  const isEnd = ["TOKEN_INVALID", "CREDENTIALS_INVALID"].includes(error.reason);
  throw isEnd ? new ApiError("SESSION_ENDED") : error;
}

function read(response, text) {
  const answer = parse(text);
  const header = (name) => response.headers.get(name) ?? "";
  const isReply = answer && (answer.ret === 0 || answer.code === "success" || answer.result === 1);
  if (response.ok && isReply) return answer.data;
  throw new ApiError(header("x-levelgate-reason") || (answer ? "UNKNOWN" : "UNREACHABLE"), {
    message: answer?.msg,
    field: header("x-levelgate-field"),
    status: response.status,
    requestId: header("x-request-id"),
    retryAfter: Number(header("retry-after")),
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
