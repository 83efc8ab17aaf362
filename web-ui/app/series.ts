/** Files that a person drops: the slices of a DICOM series go to the server as one ZIP. */

/** The preamble of a DICOM file is followed by this. */
const DICM = [0x44, 0x49, 0x43, 0x4d];
const PREAMBLE = 128;
/** A ZIP without extensions holds no more. */
const MOST_FILES = 65_535;

/** Files of a drop, also those in folders. */
export async function droppedFiles(transfer: DataTransfer | null): Promise<File[]> {
  if (transfer === null) return [];
  const plain = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files = await Promise.all(entries.map((entry) => (entry === null ? [] : filesIn(entry))));
  return files.flat();
}

async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break; // a reader gives some at a time
    inside.push(...some);
  }
  return (await Promise.all(inside.map(filesIn))).flat();
}

/** The same files, of which those of a DICOM series are one ZIP. */
export async function asSeries(files: readonly File[]): Promise<File[]> {
  const isSlice = await Promise.all(files.map(isDicom));
  const slices = files.filter((_, i) => isSlice[i]);
  if (slices.length < 2 || slices.length > MOST_FILES) return [...files];
  const others = files.filter((_, i) => !isSlice[i] && files[i]!.name !== "DICOMDIR");
  const name = `${slices[0]!.name} and ${slices.length - 1} more`;
  const parts = await zip(slices);
  return [new File(parts, name, { type: "application/zip" }), ...others];
}

async function isDicom(file: File): Promise<boolean> {
  if (file.name === "DICOMDIR") return false;
  const head = new Uint8Array(await file.slice(PREAMBLE, PREAMBLE + DICM.length).arrayBuffer());
  return DICM.every((byte, i) => head[i] === byte);
}

/** The parts of a ZIP whose files are stored as they are, numbered from 0. */
export async function zip(files: readonly Blob[]): Promise<BlobPart[]> {
  const parts: BlobPart[] = [];
  const directory: BlobPart[] = [];
  let offset = 0;
  let directorySize = 0;
  for (const [index, file] of files.entries()) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const name = new TextEncoder().encode(String(index));
    const about = [0, 0, 0, crc32(bytes), bytes.length, bytes.length]; // stored; no time; its sum and size
    const local = record([[4, 0x04034b50], [2, 20], [2, 0], ...fields(about), [2, name.length], [2, 0]]);
    const central = record([
      [4, 0x02014b50], [2, 20], [2, 20], [2, 0], ...fields(about),
      [2, name.length], [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset],
    ]);
    parts.push(local, name, file);
    directory.push(central, name);
    offset += local.length + name.length + bytes.length;
    directorySize += central.length + name.length;
  }
  const count = files.length;
  const end = record([
    [4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, directorySize], [4, offset], [2, 0],
  ]);
  return [...parts, ...directory, end];
}

/** Method, time and date of 2 bytes; sum, packed and unpacked size of 4. */
function fields(values: readonly number[]): [number, number][] {
  return values.map((value, i) => [i < 3 ? 2 : 4, value]);
}

/** Little-endian numbers of 2 or 4 bytes. */
function record(numbers: readonly (readonly [number, number])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(numbers.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of numbers) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
  return sum;
});

function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff]! ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
