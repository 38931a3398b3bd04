import { FolderStore } from "./folder-store.ts";
import { openS3 } from "./s3-store.ts";
import type { Store } from "./store.ts";

/** The store at a folder, or at an address s3://. */
export const openStore = async (place: string): Promise<Store> =>
  place.startsWith("s3://") ? openS3(place) : new FolderStore(place);
