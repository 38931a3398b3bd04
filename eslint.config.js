import tseslint from "typescript-eslint";

const restrictRuntime = {
  paths: [
    { name: "onnxruntime-node", message: "Only src/runtime talks to ONNX Runtime." },
    { name: "onnxruntime-common", message: "Only src/runtime talks to ONNX Runtime." },
    { name: "protobufjs", message: "Only src/onnx talks protobuf." },
    { name: "protobufjs/minimal.js", message: "Only src/onnx talks protobuf." },
  ],
  patterns: [{ group: ["**/onnx/proto/*"], message: "Only src/onnx talks protobuf." }],
};

export default tseslint.config(
  { ignores: ["dist", "out", "build", "node_modules", "fixtures", "src/onnx/proto"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-empty-object-type": ["error", { allowInterfaces: "with-single-extends" }],
    },
  },
  {
    files: ["src/**/*.ts"],
    rules: { "no-restricted-imports": ["error", restrictRuntime], "no-console": "error" },
  },
  { files: ["src/runtime/**/*.ts", "src/onnx/**/*.ts"], rules: { "no-restricted-imports": "off" } },
  { files: ["src/cli/**/*.ts"], rules: { "no-console": "off" } },
);
