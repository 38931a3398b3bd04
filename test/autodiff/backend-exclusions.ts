/**
 * Tests with a float32 gradient in PyTorch that are left out, by name, with a part of what is said when one is tried. The
 * tests that have no such gradient are listed with their reasons in the fixture.
 */
const exclusions: readonly (readonly [RegExp, string])[] = [
  // ONNX Runtime 1.30 runs no such model.
  [
    /^test_attention_(\dd_)?(local|bidirectional)_window(?!.*expanded)/,
    "Unrecognized attribute: left_window_size",
  ],
  [/^test_causal_conv_with_state(?!.*expanded)/, "No Op registered for CausalConvWithState"],
  [/^test_mod_float32_mixed_sign_fmod_0$/, "fmod"],
  [/^test_roialign_/, "Could not find an implementation for RoiAlign(22)"],
  [/^test_spacetodepth_(crd|dcr)_mode(?!.*expanded)/, "Unrecognized attribute: mode"],
  [/^test_swiglu(?!.*expanded)/, "No Op registered for SwiGLU"],
  [/^test_swiglu.*expanded/, "Could not find an implementation for Swish(24)"],
  // Gradients end there, and the reason is listed where a model is trained.
  [/^test_affine_grid.*expanded/, "it holds subgraphs"],
  [
    /^test_attention.*(padded_kv|nonpad)(?!.*expanded)/,
    "preparation writes it out where it can, and here it could not",
  ],
  [/^test_dequantizelinear/, "it dequantizes with a zero point or per block"],
  [/^test_training_dropout_zero_ratio/, "it may run in training mode, with a random mask"],
  [/^test_range_float_type_positive_delta$/, "Range"],
];

/** What is said when a test is tried that is left out; undefined for one that is not. */
export const exclusionOf = (name: string): string | undefined =>
  exclusions.find(([pattern]) => pattern.test(name))?.[1];
