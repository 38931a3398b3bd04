import { basename, extname } from "node:path";
import { dataError, type UserError } from "../errors.ts";

/** A kind of file that is no data set here: how it is told, what it is, and what to do. `x` stands for the file's name. */
interface ForeignKind {
  what: string;
  endings: readonly string[];
  /** Bytes that such files have at `at` (default: at the start), in latin1. */
  magic?: readonly string[];
  at?: number;
  hint: string;
}

const python = (line: string): string => `Convert it, in Python: ${line}`;
const picture =
  "Put pictures into a folder with one folder per class, or all into one folder, and give that folder.";
const frames = "Save what the model takes of it (frames, spectra) as an array: numpy.save('x.npy', array).";

/** Most telling first. Sources: the formats' own specifications; the file(1) database for the magic bytes. */
const kinds: readonly ForeignKind[] = [
  {
    what: "a Parquet file",
    endings: [".parquet"],
    magic: ["PAR1"],
    hint: python("numpy.save('x.npy', pandas.read_parquet('x').to_numpy('float32'))"),
  },
  {
    what: "an Arrow or Feather file",
    endings: [".arrow", ".feather"],
    magic: ["ARROW1", "FEA1"],
    hint: python("numpy.save('x.npy', pandas.read_feather('x').to_numpy('float32'))"),
  },
  {
    what: "an HDF5 file",
    endings: [".h5", ".hdf5"],
    magic: ["\x89HDF\r\n\x1a\n"],
    hint: python("numpy.save('x.npy', h5py.File('x')['NAME'][:])"),
  },
  {
    what: "a MATLAB file",
    endings: [".mat"],
    magic: ["MATLAB "],
    hint: python("numpy.save('x.npy', scipy.io.loadmat('x')['NAME'])"),
  },
  {
    what: "a PyTorch file",
    endings: [".pt", ".pth", ".ckpt"],
    hint: python("numpy.save('x.npy', torch.load('x').numpy())"),
  },
  {
    what: "a safetensors file",
    endings: [".safetensors"],
    hint: python("numpy.savez('x.npz', **safetensors.numpy.load_file('x'))"),
  },
  {
    what: "a Python pickle",
    endings: [".pkl", ".pickle", ".joblib"],
    magic: ["\x80\x02", "\x80\x03", "\x80\x04\x95", "\x80\x05\x95"],
    hint: python("numpy.save('x.npy', numpy.asarray(pickle.load(open('x', 'rb'))))"),
  },
  {
    what: "a TFRecord file",
    endings: [".tfrecord", ".tfrecords"],
    hint: "Read it with tf.data.TFRecordDataset in Python and save the samples: numpy.savez('x.npz', NAME=array).",
  },
  { what: "a picture", endings: [".bmp"], magic: ["\x89PNG", "\xff\xd8\xff", "GIF8", "BM"], hint: picture },
  {
    what: "a picture",
    endings: [".tif", ".tiff", ".png", ".jpg", ".jpeg", ".gif"],
    magic: ["II*\0", "MM\0*"],
    hint: picture,
  },
  { what: "a picture", endings: [".webp"], magic: ["WEBP"], at: 8, hint: picture },
  { what: "a picture", endings: [".avif", ".heic"], magic: ["avif", "heic", "mif1"], at: 8, hint: picture },
  { what: "a video", endings: [".mp4", ".mov", ".m4v"], magic: ["ftyp"], at: 4, hint: frames },
  { what: "a video", endings: [".mkv", ".webm"], magic: ["\x1aE\xdf\xa3"], hint: frames },
  { what: "a video", endings: [".avi"], magic: ["AVI "], at: 8, hint: frames },
  { what: "a sound file", endings: [".wav"], magic: ["WAVE"], at: 8, hint: frames },
  { what: "a sound file", endings: [".mp3", ".flac", ".ogg"], magic: ["ID3", "fLaC", "OggS"], hint: frames },
  { what: "an ONNX model", endings: [".onnx", ".ort"], hint: "Give the samples that the model takes." },
  {
    what: "a tar archive",
    endings: [".tar"],
    magic: ["ustar"],
    at: 257,
    hint: "Unpack it (tar -xf x) and give the folder, or the array in it.",
  },
  {
    what: "a compressed archive",
    endings: [".7z", ".xz", ".bz2", ".zst", ".rar", ".tgz"],
    magic: ["7z\xbc\xaf", "\xfd7zXZ", "BZh", "\x28\xb5\x2f\xfd", "Rar!"],
    hint: "Unpack it and give the folder, or the array in it.",
  },
  {
    what: "a zip archive without .npy arrays in it",
    endings: [".zip"],
    magic: ["PK\x03\x04"],
    hint: "Unpack it and give the folder; arrays belong into an .npz file, by numpy.savez('x.npz', NAME=array).",
  },
  {
    what: "an SQLite database",
    endings: [".db", ".sqlite"],
    magic: ["SQLite format 3"],
    hint: "Save the samples as an array: numpy.save('x.npy', array).",
  },
  {
    what: "a Python program",
    endings: [".py", ".ipynb"],
    hint: "Run it to save the samples: numpy.save('x.npy', array). A program that yields samples is a JavaScript module here (.mjs, see docs/data.md).",
  },
  {
    what: "a JSON file",
    endings: [".json", ".jsonl", ".ndjson", ".yaml", ".yml"],
    magic: ["{", "["],
    hint: "Write one object per line into a file whose name ends in .jsonl; a list becomes such lines by: jq -c '.[]' FILE.",
  },
  {
    what: "a table of text (CSV)",
    endings: [".csv", ".tsv", ".txt"],
    hint: "Samples are read from it where its name ends in .csv or .tsv (or .jsonl, one JSON object per line); labels belong into a column of that table, or into an array: numpy.save('x.npy', labels).",
  },
];

/** What data of another kind are, told by how they begin (the first 512 bytes), else by their name, and what to do. */
export function foreignFile(path: string, start: Uint8Array, used: "data" | "labels" = "data"): UserError {
  const kind = kindOf(path, Buffer.from(start).toString("latin1"));
  const wanted = used === "data" ? "a data set" : "a file of labels";
  const takes =
    used === "data"
      ? ".npy, .npz, IDX, CSV, JSON lines, Parquet, a folder of pictures, or a .mjs module"
      : ".npy or IDX";
  return dataError(
    "format",
    `The file is ${kind.what}, not ${wanted} that is read here (${takes})`,
    path,
    kind.hint
      .replace(/\('x'/g, `('${basename(path)}'`)
      .replace(/\(tar -xf x\)/, `(tar -xf ${basename(path)})`),
  );
}

/** The error of a path that is an address. */
export function addressNotPath(path: string): UserError | undefined {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return undefined;
  return dataError(
    "url",
    "The data path is a URL, and nothing is downloaded",
    path,
    "Download it and give the path of the file.",
  );
}

function kindOf(path: string, start: string): Pick<ForeignKind, "what" | "hint"> {
  const ending = extname(path).toLowerCase();
  const begins = ({ magic = [], at = 0 }: ForeignKind): boolean =>
    magic.some((bytes) => start.startsWith(bytes, at));
  const named = kinds.find(({ endings }) => endings.includes(ending));
  if (start === "") return { what: "empty", hint: "Write it again, or give another path." };
  if (/^.{8}\{"/s.test(start)) return kinds.find(({ what }) => what.includes("safetensors")) as ForeignKind;
  // PyTorch's files are zip archives or pickles.
  if (named?.endings.includes(".pt") === true) return named;
  const found = kinds.find((kind) => begins(kind) && !isShortMagic(kind)) ?? named;
  if (found !== undefined) return found;
  const short = kinds.find(begins);
  if (short !== undefined) return short;
  const table = kinds.at(-1) as ForeignKind;
  if (/^[\t\n\r\x20-\x7e]+$/.test(start)) {
    return /^[^\n]*[,;\t][^\n]*\n/.test(start) || /^[\d.\s+e-]+$/.test(start)
      ? table
      : { what: "text", hint: table.hint };
  }
  return {
    what: "of an unknown format",
    hint: "Save the samples as an array: numpy.save('x.npy', array), or numpy.savez('x.npz', NAME=array) for several inputs.",
  };
}

/** Magic bytes so short that a name tells more. */
const isShortMagic = ({ magic = [] }: ForeignKind): boolean => magic.every((bytes) => bytes.length < 3);
