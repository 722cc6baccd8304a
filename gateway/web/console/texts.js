// All texts of the console, by name: [English, Chinese]. `make unit` checks that each is used and that
// the placeholders of both languages are the same.
export const texts = {
  title: ["levelgate console", "levelgate 管理台"],
  skip: ["Skip to the content", "跳到内容"],
  navigation: ["Pages", "页面"],
  sign_in: ["Sign in", "登录"],
  "sign_in.why": [
    "Use the id and the secret of an app. They stay in the memory of this page only.",
    "请使用应用的 appid 和密钥登录。它们只保存在本页面的内存中。",
  ],
  sign_out: ["Sign out", "退出"],
  appid: ["App id", "应用 appid"],
  secret: ["Secret", "应用密钥"],
  close: ["Close this message", "关闭提示"],
  cancel: ["Cancel", "取消"],
  confirm: ["Confirm", "确认"],
  no_scope: [
    "This app has no scope that the console can use. Ask the operators for member:read.",
    "该应用没有管理台所需的权限，请联系运维人员授予 member:read。",
  ],
  "view.rules": ["Levels and rules", "等级规则"],

  "error.UNREACHABLE": [
    "The gateway does not answer. Check the connection and try again; nothing you typed is lost.",
    "网关没有响应。请检查网络后重试，已填写的内容不会丢失。",
  ],
  "error.SESSION_ENDED": [
    "The session has ended. Sign in again to continue where you were.",
    "登录已过期，请重新登录后继续操作。",
  ],
  "error.TOKEN_MISSING": ["Sign in first.", "请先登录。"],
  "error.CREDENTIALS_INVALID": [
    "The app id or the secret is wrong, or the app is revoked.",
    "appid 或密钥错误，或该应用已被吊销。",
  ],
  "error.SCOPE_MISSING": [
    "This app may not do that. Ask the operators for the scope.",
    "该应用没有此操作的权限，请联系运维人员。",
  ],
  "error.INVALID_PARAMETER": ["Correct this field: {field}.", "请修改此字段：{field}。"],
  "error.RULE_VERSION_MISMATCH": [
    "Somebody else has changed the rules. Your draft is kept: compare it with the current rules and save again.",
    "规则已被他人修改。您的草稿仍保留：请与当前规则比较后再保存。",
  ],
  "error.RATE_LIMITED": ["Too many calls. Try again in {seconds} s.", "请求过于频繁，请 {seconds} 秒后重试。"],
  "error.STORE_UNAVAILABLE": [
    "The system is busy or being repaired. Try again in {seconds} s.",
    "系统繁忙，请 {seconds} 秒后重试。",
  ],
  "error.other": [
    "The call was refused: {message} ({reason} {field}).",
    "请求被拒绝：{message}（{reason} {field}）。",
  ],
  "error.request": ["Request {id}", "请求编号 {id}"],
};
