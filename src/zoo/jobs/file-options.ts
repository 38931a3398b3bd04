/** Options of jobs that name files or folders: their content counts, not their place, and workers elsewhere are given it. */
export const fileOptions: readonly string[] = ["data", "test", "labels", "targets", "test-targets"];
