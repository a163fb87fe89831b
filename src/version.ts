/** The agent's version, as logs, metrics and `serin --version` say it. */
export const VERSION = "0.1.0";
