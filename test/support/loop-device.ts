/**
 * A disk whose power can be cut: ext4 in a file behind a loop device, in direct mode. The cut is ext4's own shutdown without a
 * flush of its log (ioctl EXT4_IOC_SHUTDOWN), so from one instant on nothing that is only in memory reaches the disk any more; what
 * is in the file then is copied and mounted anew. Needs root. A drive that holds back what it was not told to flush is not modelled:
 * what ext4 has handed to the device counts as written. Mounts and loop devices are gone when the test process is, even when it was killed:
 * then the next one cleans up.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "tollgate-disk-";
const CAP_SYS_ADMIN = 21n;
/** `_IOR('X', 125, __u32)` with EXT4_GOING_FLAGS_NOLOGFLUSH; perl, because Node has no ioctl and every Debian has perl-base. */
const SHUTDOWN =
  'open(F, "<", $ARGV[0]) or die $!; my $how = pack("L", 2); ioctl(F, 0x8004587d, $how) or die "ioctl: $!"';

/** Why there is no such disk on this machine. */
interface Lack {
  readonly reason: string;
  /** The kernel does not let this process have one, whatever is installed. */
  readonly denied: boolean;
}

let tried: { readonly lack: Lack | null } | null = null;

/**
 * Whether `LoopDisk.make` works here; tries it once. Where it does not, says that `what` is not proven. In CI that is an error,
 * unless the kernel itself forbids it (a container without privileges): there nothing can be installed that would help.
 */
export function hasLoopDisk(what: string): boolean {
  tried ??= { lack: lackOfDisk() };
  const { lack } = tried;
  if (lack === null) return true;
  if (process.env.CI !== undefined && !lack.denied) throw new Error(`CI lacks a disk for ${what}: ${lack.reason}`);
  process.stdout.write(`NOT PROVEN HERE: ${what}: ${lack.reason}\n`);
  return false;
}

function lackOfDisk(): Lack | null {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  if (((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 0n)
    return { reason: "this process may not mount (CAP_SYS_ADMIN)", denied: true };
  if (!existsSync("/dev/loop-control")) return { reason: "there is no /dev/loop-control", denied: true };
  try {
    using disk = LoopDisk.make();
    disk.cut();
    disk.restore();
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error);
    return { reason, denied: /not permitted|permission denied/i.test(reason) };
  }
}

export class LoopDisk implements Disposable {
  /** Where it is mounted. */
  readonly dir: string;
  readonly #root: string;

  /** `mebibytes`: its size; the file behind it takes only what is written. */
  static make(mebibytes = 64): LoopDisk {
    removeLeftBehind();
    const root = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    const disk = new LoopDisk(root);
    open.add(disk);
    try {
      writeFileSync(disk.#image, "");
      truncateSync(disk.#image, mebibytes * 1024 * 1024);
      run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", disk.#image);
      disk.#mount();
      return disk;
    } catch (error) {
      disk[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(root: string) {
    this.#root = root;
    this.dir = join(root, "mount");
    mkdirSync(this.dir);
  }

  get #image(): string {
    return join(this.#root, "image");
  }

  /** From now on nothing reaches the disk: writes fail, and what was not written yet never will be. */
  cut(): void {
    run("perl", "-e", SHUTDOWN, this.dir);
  }

  /** Mounts what the disk held at the cut. Whoever had files open on it must have ended. */
  restore(): void {
    const copy = join(this.#root, "copy");
    run("cp", "--sparse=always", this.#image, copy);
    unmount(this.dir);
    renameSync(copy, this.#image);
    this.#mount();
  }

  [Symbol.dispose](): void {
    unmount(this.dir);
    rmSync(this.#root, { recursive: true, force: true });
    open.delete(this);
  }

  #mount(): void {
    const device = this.#attach();
    try {
      run("mount", "-t", "ext4", device, this.dir);
    } finally {
      // While it is mounted this takes effect with the unmount: there is only one thing to clean up.
      run("losetup", "--detach", device);
    }
  }

  /** Another test process may take the free device that was found first. */
  #attach(): string {
    for (let attempt = 1; ; attempt++) {
      try {
        return run("losetup", "--find", "--show", "--direct-io=on", this.#image).trim();
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50 * attempt);
      }
    }
  }
}

const ATTEMPTS = 20;
const open = new Set<LoopDisk>();
process.once("exit", () => {
  for (const disk of open) disk[Symbol.dispose]();
});

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Lazily: a process that still has a file open there does not hold up the cleaning. */
function unmount(dir: string): void {
  while (readFileSync("/proc/self/mounts", "utf8").includes(` ${dir} `)) run("umount", "--lazy", dir);
}

/** Disks of test processes that were killed. */
function removeLeftBehind(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split("-", 1)[0]) : 0;
    if (!Number.isSafeInteger(pid) || pid <= 0 || isAlive(pid)) continue;
    unmount(join(tmpdir(), name, "mount"));
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
