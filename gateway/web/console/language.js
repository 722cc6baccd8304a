// The two languages. The texts are in texts.js, each with both languages beside each other.
import { texts } from "./texts.js";

const KEPT = "levelgate-console-language";
const LANGUAGES = { en: "English", zh: "中文" };

let language = chosen() ?? (navigator.language.startsWith("zh") ? "zh" : "en");

function chosen() {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept in LANGUAGES ? kept : null;
  } catch {
    return null; // The browser does not let pages keep anything.
  }
}

export function currentLanguage() {
  return language;
}

export function otherLanguage() {
  return language === "en" ? "zh" : "en";
}

export function languageName(code) {
  return LANGUAGES[code];
}

export function setLanguage(code) {
  language = code;
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // Then the choice lasts until the page is closed.
  }
}

/** The text of this name in the current language; "{name}" in it is replaced by values.name. */
export function t(name, values = {}) {
  const text = texts[name]?.[language === "en" ? 0 : 1];
  if (text === undefined) throw new Error(`there is no text ${name}`);
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

/** Whether there is a text of this name. */
export function hasText(name) {
  return name in texts;
}

export function number(value) {
  return new Intl.NumberFormat(language === "en" ? "en-GB" : "zh-CN").format(value);
}

/** At most four digits, for the picture. */
export function short(value) {
  const style = { notation: "compact", maximumSignificantDigits: 4 };
  return value < 10_000 ? number(value) : new Intl.NumberFormat(language === "en" ? "en-GB" : "zh-CN", style).format(value);
}

/** The time of day, with the date only if it is not today's. */
export function recent(value) {
  const date = new Date(value);
  if (date.toDateString() !== new Date().toDateString()) return time(date);
  return new Intl.DateTimeFormat(language === "en" ? "en-GB" : "zh-CN", { timeStyle: "short" }).format(date);
}

export function time(value) {
  const style = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(language === "en" ? "en-GB" : "zh-CN", style).format(new Date(value));
}
