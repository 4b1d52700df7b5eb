/**
 * Launcher: makes what a container has of its own, then becomes the program that starts it. The program is in
 * launcher-script.ts.
 *
 * Files on disk belong to root and are shared by many containers, each with a user id of its own. An
 * id-mapped mount (Linux 5.12, overlayfs over it 5.19) shows root's files as that user's without touching
 * them. The mounts are made in a mount namespace of their own which only conmon and the container live in:
 * when they die, no mount is left behind, and neither are the loop device and the network namespace, which go
 * with their last mount.
 *
 * Disk and network need no specification, only an identity: a launcher may make them ahead and wait for its
 * order on standard input. When whoever should give it dies, it ends, and the kernel clears up as above.
 */
import { script } from './launcher-script.ts'

/** The file `image`, made from `template`, and where the file system in it is mounted. */
export type Disk = { template: string; image: string; target: string }

/**
 * A network namespace that is found under the file `name`, with one end of a pair; the other end is `veth` on
 * the host's `bridge`. `address` has its prefix length.
 */
export type Wire = { name: string; veth: string; bridge: string; address: string; gateway: string }

/** What can be made before it is known what will run. */
export type Hull = {
  uid: number
  disk: Disk | undefined
  wire: Wire | undefined
}

/** A directory that is made for the container. `mode` is octal text. */
export type Folder = { path: string; mode: string; owner: number }

/**
 * What to make right before the command: folders (on the disk, where there is one), id-mapped layers, layers
 * copied to be the container's own, and `root` as an overlay with these options.
 */
export type Mounts = {
  folders: readonly Folder[]
  root?: { target: string; options: string }
  layers: readonly { source: string; target: string }[]
  copies: readonly { source: string; target: string }[]
}

/** `group` is the file of a control group to join, where there is one. */
export type Order = { group: string | undefined; mounts: Mounts; command: readonly string[] }

/** Arguments for `perl` that make all of it, root's files in the layers owned by the user, then exec. */
export const launcherArgv = (hull: Hull, order: Order): string[] => [
  ...hullArgv(hull),
  '',
  ...orderArgs(order),
]

/** Arguments for `perl` that make the hull, say so on descriptor 3, and wait for `orderText`. */
export const waitingArgv = (hull: Hull): string[] => [...hullArgv(hull), 'waits']

/** What a waiting launcher reads: a line with the count of bytes, then the arguments, parted by NUL. */
export const orderText = (order: Order): string => {
  const text = orderArgs(order).join('\0')
  return `${Buffer.byteLength(text)}\n${text}`
}

const hullArgv = ({ uid, disk, wire }: Hull): string[] => [
  '-e',
  script,
  '--',
  String(uid),
  ...counted(disk ? [disk.template, disk.image, disk.target] : []),
  ...counted(wire ? [wire.name, wire.veth, wire.bridge, wire.address, wire.gateway] : []),
]

const orderArgs = ({ group, mounts, command }: Order): string[] => {
  const { folders, root, layers, copies } = mounts
  const pair = ({ source, target }: { source: string; target: string }): string[] => [source, target]
  return [
    ...counted(group === undefined ? [] : [group]),
    root?.target ?? '',
    root?.options ?? '',
    ...counted(folders.flatMap(({ path, mode, owner }) => [path, mode, String(owner)])),
    ...counted(layers.flatMap(pair)),
    ...counted(copies.flatMap(pair)),
    ...command,
  ]
}

const counted = (list: readonly string[]): string[] => [String(list.length), ...list]
