/** Memory of a process, as the kernel counts it. Linux only. */

export interface Memory {
  /** Resident now, MiB. */
  readonly now: number;
  /** The highest it ever was, MiB. */
  readonly peak: number;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const status = await procFile(pid, "status");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? NaN) / 1024;
  return { now: field("VmRSS"), peak: field("VmHWM") };
}

/** User and system time of a process so far, milliseconds; the kernel counts in hundredths of a second. */
export async function cpuMsOf(pid: number): Promise<number> {
  const stat = await procFile(pid, "stat");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** How long a process has been there, milliseconds; the kernel counts in hundredths of a second. */
export async function ageMsOf(pid: number): Promise<number> {
  const stat = await procFile(pid, "stat");
  const started = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const [uptime = ""] = (await procText("/proc/uptime")).split(" ");
  return Number(uptime) * 1000 - started * 10;
}

function procFile(pid: number, name: string): Promise<string> {
  return procText(`/proc/${pid}/${name}`);
}

/** Through `cat`: the runtime reads these files itself only for who may do everything. */
async function procText(path: string): Promise<string> {
  const { success, stdout } = await new Deno.Command("cat", { args: [path], stderr: "null" }).output();
  if (!success) throw new Error(`Cannot read ${path}: the process is gone, or this is not Linux`);
  return new TextDecoder().decode(stdout);
}
