/**
 * Entries of `explicitDefaults` that are not field names: how a file spells what has several spellings. The IR has
 * one form; the encoder writes the file's.
 */

/** A node's default domain is written "ai.onnx". */
export const aliasedDomain = "domain=ai.onnx";
/** The import of the default domain is written "ai.onnx", or as an empty string instead of not at all. */
export const aliasedOpset = "opsetImport.domain=ai.onnx";
export const explicitOpset = "opsetImport.domain";
/** An attribute's type, or its value of 0 or "", is not in the file. */
export const omittedType = "type omitted";
export const omittedValue = "value omitted";
