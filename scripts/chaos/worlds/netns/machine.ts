/**
 * A machine of the lab: network, host name, mounts and process ids of its own, all held by one init process.
 *
 * Its power is that process: the kernel kills every process of a pid namespace with its init, containers and
 * their keepers too, and takes mounts, interfaces and firewall away with the last of them. When the harness
 * dies the kernel kills init (parent-death signals), so nothing of a machine outlives it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { processOf, type ProcessId } from '../../../../src/system/process.ts'
import { command } from './command.ts'

/** A process right in a machine (those in its containers are not), by its id outside. */
export type Inmate = { readonly pid: number; readonly words: readonly string[] }

export type Launch = {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Takes what it says, at the end of what is there. */
  readonly logFile: string
}

export type Machine = {
  readonly name: string
  /** Outer process id of its init. */
  readonly init: number
  /** Words that run a command with its network, name and mounts, though not as a process of it. */
  readonly inside: (argv: readonly string[]) => readonly string[]
  /** Starts a process of it, a child of its init. */
  readonly launch: (what: Launch) => Promise<ProcessId>
  readonly processes: () => readonly Inmate[]
  /** SIGSTOP or SIGCONT to every process of it but init, containers' too, in one system call. */
  readonly signalAll: (signal: 'STOP' | 'CONT') => Promise<void>
  /** Kills everything at once; resolves when nothing of it is left. */
  readonly powerOff: () => Promise<void>
}

/**
 * /sys shows the network that it was mounted in, so it is mounted anew; control groups are the machine's own.
 * /run is lost with the power, as on a real one. Init reaps what its children leave.
 */
const initScript = `set -e
mount -t proc proc /proc
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs sysfs /sys
mount --rbind /mnt /sys/fs/cgroup
umount -l /mnt
mount -t tmpfs -o mode=755 tmpfs /run
hostname "$1"
ip link set lo up
echo up
exec >/dev/null 2>&1
trap : TERM
sleep infinity &
while :; do wait || :; done
`

/** Leaves the command to init and says its id in the machine. */
const launchScript = `cd "$1"
log=$2
shift 2
setsid "$@" </dev/null >>"$log" 2>&1 &
echo $!
`

/**
 * @param mountsOf a machine whose mounts it sees, beside its own
 * @throws Error when it does not come up
 */
export const bootMachine = async (name: string, mountsOf?: Machine): Promise<Machine> => {
  const mounts = mountsOf === undefined ? [] : ['nsenter', '--target', String(mountsOf.init), '--mount']
  const own = ['unshare', '--net', '--uts', '--mount', '--pid', '--fork', '--kill-child']
  const argv = ['--pdeathsig', 'KILL', ...mounts, ...own, 'bash', '-c', initScript, 'init', name]
  const holder = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  await up(holder, name)
  const [init] = childrenOf(holder.pid ?? 0)
  if (init === undefined) throw new Error(`machine ${name} has no init`)
  const space = readlinkSync(`/proc/${init}/ns/pid`)
  const enter = ['nsenter', '--target', String(init)]
  return {
    name,
    init,
    inside: (words) => [...enter, '--net', '--uts', '--mount', '--', ...words],
    launch: async ({ argv: words, env, cwd, logFile }) => {
      const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`)
      const script = ['bash', '-c', launchScript, 'launch', cwd, logFile, 'env', '-i', ...settings, ...words]
      const inner = await command([...enter, '--net', '--uts', '--mount', '--pid', '--', ...script])
      const found = processesOf(space).find(({ pid }) => innerIdOf(pid) === inner.trim())
      const id = found && processOf(found.pid)
      if (id === undefined) throw new Error(`${words.join(' ')} ended at once; see ${logFile}`)
      return id
    },
    processes: () => processesOf(space),
    signalAll: async (signal) => {
      await command([...enter, '--pid', '--', 'kill', `-${signal}`, '--', '-1'])
    },
    powerOff: async () => {
      const gone = holder.exitCode === null && holder.signalCode === null ? once(holder, 'exit') : undefined
      // The kernel lets init go only when every process of its namespace is gone.
      process.kill(init, 'SIGKILL')
      await gone
    },
  }
}

const up = (holder: ChildProcess, name: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = ''
    for (const stream of [holder.stdout, holder.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (/^up$/m.test(said)) resolve()
      })
    holder.once('error', reject)
    holder.once('exit', () => reject(new Error(`machine ${name} did not come up: ${said.trim()}`)))
  })

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

const innerIdOf = (pid: number): string | undefined =>
  whileThere(() => /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

const processesOf = (space: string): readonly Inmate[] =>
  readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    const words = whileThere(() =>
      readlinkSync(`/proc/${entry}/ns/pid`) === space
        ? readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0').slice(0, -1)
        : undefined,
    )
    return words === undefined ? [] : [{ pid: Number(entry), words }]
  })

/** Undefined when it ended while it was looked at, or is not ours to look at, and so of no machine. */
const whileThere = <T>(look: () => T): T | undefined => {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as NodeJS.ErrnoException).code)))
      return undefined
    throw error
  }
}
