import { crc32, deflateRawSync } from "node:zlib";

/** An entry of a zip archive; what is given replaces what the content asks for. */
export interface ZipEntry {
  name: string;
  content: Uint8Array;
  store?: boolean;
  crc?: number;
  uncompressedSize?: number;
  flags?: number;
}

/** A zip archive of the entries. Source: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16. */
export function zipOf(...entries: ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const data = entry.store === true ? entry.content : deflateRawSync(entry.content);
    const fields = fieldsOf(entry, data.byteLength, name.byteLength);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, name, data]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\0", "latin1"), fields, place, name]));
    locals.push(local);
    offset += local.byteLength;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.byteLength, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** What the local header and the central directory say alike, from the version needed to the length of the extra field. */
function fieldsOf(entry: ZipEntry, packed: number, nameLength: number): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(entry.flags ?? 0, 2);
  fields.writeUInt16LE(entry.store === true ? 0 : 8, 4);
  fields.writeUInt32LE(entry.crc ?? crc32(entry.content), 10);
  fields.writeUInt32LE(packed, 14);
  fields.writeUInt32LE(entry.uncompressedSize ?? entry.content.byteLength, 18);
  fields.writeUInt16LE(nameLength, 22);
  return fields;
}

/** An .npy file of one header and the elements after it. */
export function npyOf(header: string, elements: Uint8Array = new Uint8Array(0), version = 1): Buffer {
  const start = Buffer.from("\x93NUMPY\x01\0\0\0", "latin1");
  start[6] = version;
  start.writeUInt16LE(header.length, 8);
  return Buffer.concat([start, Buffer.from(header, "latin1"), elements]);
}

/** The header that NumPy writes for a type and a shape. */
export const npyHeader = (descr: string, dims: readonly number[]): string =>
  `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims.map((dim) => `${dim},`).join(" ")}), }\n`;

export const float32Npy = (dims: readonly number[], values: Float32Array): Buffer =>
  npyOf(npyHeader("<f4", dims), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));

export const int64Npy = (dims: readonly number[], values: readonly (number | bigint)[]): Buffer =>
  npyOf(npyHeader("<i8", dims), new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
