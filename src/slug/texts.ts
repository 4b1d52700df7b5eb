/**
 * What a push shows, word for word as Heroku says it (spec/dyno.md §2.2). Pure; every text ends its line.
 */
const indent = '       '
const megabyte = 1024 * 1024

/** Sizes as Heroku prints them: one decimal, none when it is zero; `K` below a megabyte. */
export function size(bytes: number): string {
  const [value, unit] = bytes < megabyte ? [bytes / 1024, 'K'] : [bytes / megabyte, 'M']
  return `${Math.round(value * 10) / 10}${unit}`
}

/** `heroku-24` as a title: `Heroku-24`. */
const title = (stack: string): string => stack.charAt(0).toUpperCase() + stack.slice(1)

export const updatedPaths = (paths: number, tree: string): string =>
  `Updated ${paths} path${paths === 1 ? '' : 's'} from ${tree}\n`
export const compressingSource = 'Compressing source files... done.\n'
export const building = (stack: string): string =>
  `Building source:\n\n-----> Building on the ${title(stack)} stack\n`

/** Ours: Heroku's builds never wait for each other. */
export const waiting = (ahead: number): string =>
  `-----> Waiting for ${ahead === 1 ? 'another build' : `${ahead} other builds`} on this host\n`

/** The buildpacks that were set for the app, or that it has none. */
export function using(names: readonly string[]): string {
  if (names.length === 0) return '-----> Determining which buildpack to use for this app\n'
  if (names.length === 1) return `-----> Using buildpack: ${names[0]}\n`
  return `-----> Using buildpacks:\n${names.map((name, at) => `${indent}${at + 1}. ${name}\n`).join('')}`
}

/** Languages of the default buildpacks that all take the app. */
export const several = (languages: readonly string[]): string =>
  ' !     Warning: Multiple default buildpacks reported the ability to handle this app. ' +
  'The first buildpack in the list below will be used.\n' +
  `\t\t\tDetected buildpacks: ${languages.join(',')}\n` +
  '\t\t\tSee https://devcenter.heroku.com/articles/buildpacks#buildpack-detect-order\n'
export const detected = (language: string): string => `-----> ${language} app detected\n`
export const ignored = (count: number): string =>
  `-----> Deleting ${count} files matching .slugignore patterns.\n`
export const pushFailed = ' !     Push failed\n'

/** After a failed push of what was built before. */
export const sameVersion = (version: string): string =>
  [
    ' !',
    ` ! ## Warning - The same version of this code has already been built: ${version}`,
    ' !',
    ` ! We have detected that you have triggered a build from source code with version ${version}`,
    ' ! at least twice. One common cause of this behavior is attempting to deploy code from a different branch.',
    ' !',
    ' ! If you are developing on a branch and deploying via git you must run:',
    ' !',
    ' !     git push heroku <branchname>:main',
    ' !',
    ' ! This article goes into details on the behavior:',
    ' !   https://devcenter.heroku.com/articles/duplicate-build-version',
    '',
  ].join('\n')

export const noLanguage = [
  ' !     No default language could be detected for this app.',
  '\t\t\tHINT: This occurs when Heroku cannot detect the buildpack ' +
    'to use for this application automatically.',
  '\t\t\tSee https://devcenter.heroku.com/articles/buildpacks',
  '',
  pushFailed,
].join('\n')

export function notCompatible(buildpack: string, said: string): string {
  const more = said.trim() || 'More info: https://devcenter.heroku.com/articles/buildpacks#detection-failure'
  return `-----> App not compatible with buildpack: ${buildpack}\n${indented(more)}\n${pushFailed}`
}

export const compileFailed = (language: string): string =>
  ` !     Push rejected, failed to compile ${language} app.\n\n${pushFailed}`
export const timedOut = (language: string): string =>
  ` !     Push rejected, timed out compiling ${language} app.\n` +
  ` !     See: https://devcenter.heroku.com/articles/slug-compiler#time-limit\n\n${pushFailed}`
export const fetchFailed = (buildpack: string, said: string): string =>
  ` !     Failed to fetch buildpack: ${buildpack}\n${indented(said.trim())}\n${pushFailed}`
export const unknownBuildpack = (buildpack: string): string =>
  ` !     Unknown buildpack: ${buildpack}\n${pushFailed}`
export const checkoutFailed = (why: string): string => ` !     Push rejected, ${why}\n\n${pushFailed}`
export const submodules = '-----> Git submodules detected, installing\n'
export const submodulesFailed = ` !     Push rejected, submodule install failed.\n\n${pushFailed}`
export const badRelease = (buildpack: string, why: string): string =>
  ` !     The release output of ${buildpack} is not valid: ${why}\n${pushFailed}`
/** Ours: Heroku would build it. */
export const noImages = (file: string): string =>
  ` !     This app has a ${file}, and images are not built here: it needs a buildpack.\n`
export const cancelled = ' !     Build cancelled\n'
export const tooLarge = (bytes: number, bytesMax: number): string =>
  ` !     Compiled slug size: ${size(bytes)} is too large (max is ${size(bytesMax)}).\n` +
  ` !     See: http://devcenter.heroku.com/articles/slug-size\n${pushFailed}`

/** Heroku bounds what is packed; here what hosts have to unpack as well. */
export const tooLargeUnpacked = (bytesMax: number): string =>
  ` !     Uncompressed slug size: more than ${size(bytesMax)} is too large.\n` +
  ` !     See: http://devcenter.heroku.com/articles/slug-size\n${pushFailed}`

/** Types the Procfile declares and those that only the buildpack gives, both in alphabetical order. */
export function processTypes(procfile: readonly string[], defaults: readonly string[]): string {
  const list = (types: readonly string[]): string => types.toSorted().join(', ') || '(none)'
  const rest = defaults.filter((type) => !procfile.includes(type))
  const head = '-----> Discovering process types\n'
  if (rest.length === 0) return `${head}${indent}Procfile declares types -> ${list(procfile)}\n\n`
  return (
    `${head}${indent}Procfile declares types     -> ${list(procfile)}\n` +
    `${indent}Default types for buildpack -> ${list(rest)}\n\n`
  )
}

export const compressing = '-----> Compressing...\n'
export const compressed = (bytes: number): string => `${indent}Done: ${size(bytes)}\n`
export const addonsWanted = (addons: readonly string[]): string =>
  ` !     The buildpack asks for add-ons, which are not offered here: ${addons.join(', ')}\n`
export const launching = '-----> Launching...\n'
export const largeSlug = (bytes: number, softBytesMax: number): string =>
  ` !     Warning: Your slug size (${Math.round(bytes / megabyte)} MB) exceeds our soft limit ` +
  `(${Math.round(softBytesMax / megabyte)} MB) which may affect boot time.\n`
export const released = (version: number, url: string): string =>
  `${indent}Released v${version}\n${indent}${url} deployed to Heroku\n\n`
export const verified = 'Verifying deploy... done.\n'
export const releaseDeclared =
  ' !     Release command declared: this new release will not be available until the command succeeds.\n'
export const releaseRunning = 'Running release command...\n\n'
export const releaseEnded = (ok: boolean): string => `Waiting for release.... ${ok ? 'done' : 'failed'}.\n`
export const rejected = (app: string): string => `\nVerifying deploy...\n\n!\tPush rejected to ${app}.\n\n`

const indented = (text: string): string =>
  text
    .split('\n')
    .map((line) => (line === '' ? '' : indent + line) + '\n')
    .join('')
