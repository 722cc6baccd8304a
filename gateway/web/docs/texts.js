// The page's own texts, by name: [English, Chinese].
export const texts = {
  title: ["levelgate API", "levelgate 接口文档"],
  other: ["中文", "English"],
  appid: ["App id (appid)", "应用 appid"],
  secret: ["Secret (app_secret)", "应用密钥 (app_secret)"],
  get: ["Get a token", "获取令牌"],
  real: [
    "Calls that you try here change real data of this installation.",
    "在此试用的接口会修改本系统的真实数据。",
  ],
  "first.title": ["The first call", "第一次调用"],
  "first.app": [
    "Ask the operators for an app: its id, its secret and the scopes that you need.",
    "向运维人员申请一个应用：appid、密钥和所需的权限。",
  ],
  "first.token": [
    "Get a token. The secret and the token stay in the memory of this page only; all calls below use the token.",
    "获取令牌。密钥和令牌只保存在本页面的内存中，下面的所有接口都使用该令牌。",
  ],
  "first.try": [
    "Open a call below, press Try it out, then Execute, and see the reply.",
    "打开下面的一个接口，依次点击 Try it out（试用）和 Execute（执行），查看响应。",
  ],
  "first.open": ["Open “is the user's level one of these?”", "打开“检测用户等级”"],
  "first.curl": ["The same with curl:", "用 curl 完成同样的步骤："],
  "curl.token": ["the access_token of the reply", "响应中的 access_token"],
  "errors.title": ["When a call fails", "调用失败时"],
  "errors.intro": [
    "The body of a failure has the form of its family, often with HTTP status 200. Programs read the headers x-levelgate-reason and x-levelgate-field.",
    "失败的响应体采用所属系列的格式，HTTP 状态码常常是 200。程序请读取响应头 x-levelgate-reason 和 x-levelgate-field。",
  ],
  "errors.do": ["What to do", "处理方法"],
  "errors.parameter": ["Correct the parameter that x-levelgate-field names.", "修改 x-levelgate-field 指出的参数。"],
  "errors.declined": ["See the list of reasons of the call below.", "查看下面该接口的原因列表。"],
  "errors.token": ["Get a new token, or check the secret.", "重新获取令牌，或检查密钥。"],
  "errors.scope": ["Ask the operators for the scope, then get a new token.", "向运维人员申请权限，然后重新获取令牌。"],
  "errors.wait": [
    "Wait as many seconds as Retry-After says, then try again with a growing backoff.",
    "等待 Retry-After 指定的秒数，然后以逐渐增加的间隔重试。",
  ],
  "errors.time": [
    "Try again. Repeat AddPoints with the same billNo, so that points are added once.",
    "请重试。AddPoints 请使用同一个 billNo，以免重复增加积分。",
  ],
  "errors.more": [
    "Numbers of 64 bits, such as versions, are strings in replies. Member calls use camelCase names, the other calls snake_case, as in their original documents.",
    "响应中的 64 位数字（例如版本号）是字符串。会员接口使用驼峰命名，其他接口使用下划线命名，与各自的原文档一致。",
  ],
  "calls.title": ["All calls", "全部接口"],
  "said.ok": [
    "The token is set for all calls below. It is valid until {time}.",
    "令牌已用于下面的所有接口，有效期至 {time}。",
  ],
  "said.wait": ["Getting a token…", "正在获取令牌…"],
  "said.wrong": [
    "The id or the secret is wrong, or the app is revoked. Check both and try again.",
    "appid 或密钥错误，或应用已被吊销。请检查后重试。",
  ],
  "said.many": ["Too many attempts. Wait a few seconds, then try again.", "尝试次数过多，请稍等几秒后重试。"],
  "said.failed": [
    "The gateway answered with an error ({reason}). Try again later.",
    "网关返回错误（{reason}），请稍后重试。",
  ],
  "said.unreachable": [
    "The gateway does not answer. Check your connection, then try again.",
    "网关没有响应，请检查网络连接后重试。",
  ],
};

// The rows of the table of failures: HTTP status, reasons, the name of a text.
export const failures = [
  ["200", "INVALID_PARAMETER", "errors.parameter"],
  ["200", "USER_NOT_FOUND, VERSION_MISMATCH, …", "errors.declined"],
  ["401", "TOKEN_MISSING, TOKEN_INVALID, CREDENTIALS_INVALID", "errors.token"],
  ["403", "SCOPE_MISSING", "errors.scope"],
  ["429, 503", "RATE_LIMITED, STORE_UNAVAILABLE, …", "errors.wait"],
  ["504", "DEADLINE_EXCEEDED", "errors.time"],
];
