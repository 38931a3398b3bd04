/**
 * ONNX Runtime's builds queue usage events (a device id, the system, names of graphs) in the user's cache folder and leave
 * logs in the temporary one. It reads this variable when its library is loaded, and only then, so that a module of its own
 * sets it, imported before the library. Beside provider-variables.ts it is the one place outside of
 * cli/ that touches the environment; child processes inherit it.
 */
process.env["ORT_DISABLE_TELEMETRY"] = "1";
