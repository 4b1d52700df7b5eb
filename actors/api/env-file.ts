/**
 * The user's environment: `$MANIFOLD_HOME/env`, a shell file to source so that the stock `heroku` CLI and
 * git talk to this platform and to nothing else; and the owner's API token that it shows.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Random } from '../../src/ports/random.ts'

export type EnvFile = {
  /** `http://localhost:5000` */
  readonly apiUrl: string
  /** `localhost:5000` */
  readonly secureHost: string
  /** The operator's; undefined: users of this host bring their own. */
  readonly token?: string
  /** PEM file of the authority. */
  readonly authorityPath: string
  /** Where the user's own extra authorities and ours are put together. */
  readonly bundlePath: string
  readonly home: string
  /** More to export, for the operator's own tools. */
  readonly more?: Readonly<Record<string, string>>
}

/** Writes it with mode 0600, whole or not at all. */
export const writeEnvFile = async (path: string, env: EnvFile): Promise<void> => {
  await writeFile(`${path}.new`, envText(env), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

const tokenLength = 40
/** Longer than a host needs for what it does without a word between a build and the end of its push. */
const gitSilentSecondsMax = 120

/** The owner's API token: made once, kept in a file with mode 0600. */
export const keepToken = async (path: string, random: Random): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const token = `HRKU-${random.token(tokenLength)}`
  await writeFile(`${path}.new`, `${token}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return token
}

/** Git runs it by sh and adds the operation. */
const credentialHelper =
  '!f() { test "$1" = get && echo username=heroku && echo "password=$HEROKU_API_KEY"; }; f'

const ownToken = '# No token lies on this host: export HEROKU_API_KEY with your own.'

/** The shell text; spec/cli-api.md §0.1 says why each variable is there. */
export const envText = (env: EnvFile): string => {
  const set = (name: string, value: string): string => `export ${name}=${quote(value)}`
  const more = Object.entries(env.more ?? {}).map(([name, value]) => set(name, value))
  return `# Written by manifold: source it (. ${env.home}/env) and use heroku and git as always.
${set('MANIFOLD_HOME', env.home)}
${set('HEROKU_HOST', env.apiUrl)}
${env.token === undefined ? ownToken : set('HEROKU_API_KEY', env.token)}
# The CLI sends copies of some requests there, with the token.
${set('HEROKU_PARTICLEBOARD_URL', env.apiUrl)}
${set('HEROKU_BUILDPACK_REGISTRY_URL', env.apiUrl)}
${set('HEROKU_STATUS_HOST', env.apiUrl)}
${set('HEROKU_LOGIN_HOST', env.apiUrl)}
${set('HEROKU_DATA_HOST', 'localhost')}
${set('HEROKU_REDIS_HOST', 'localhost')}
${set('HEROKU_EXEC_URL', `https://${env.secureHost}/`)}
# No telemetry, no update checks, no updater that lives on for an hour.
export DISABLE_TELEMETRY=true HEROKU_SKIP_NEW_VERSION_CHECK=true HEROKU_DISABLE_AUTOUPDATE=true
${more.join('\n')}
# heroku run checks our certificate; whom it trusted before it still trusts.
manifold_ca=${quote(env.authorityPath)}
manifold_bundle=${quote(env.bundlePath)}
case "\${NODE_EXTRA_CA_CERTS:-}" in
  "$manifold_bundle") ;;
  '' | "$manifold_ca") NODE_EXTRA_CA_CERTS=$manifold_ca ;;
  *)
    if cat "$NODE_EXTRA_CA_CERTS" "$manifold_ca" >"$manifold_bundle" 2>/dev/null; then
      NODE_EXTRA_CA_CERTS=$manifold_bundle
    else
      NODE_EXTRA_CA_CERTS=$manifold_ca
    fi
    ;;
esac
export NODE_EXTRA_CA_CERTS
# git trusts it and logs in for this address alone, and gives up when it is silent: a push to a machine that
# lost power would wait for hours. GIT_SSL_CAINFO would override the first.
unset GIT_SSL_CAINFO
manifold_git=${quote(`https://${env.secureHost}`)}
manifold_helper=${quote(credentialHelper)}
if [ "\${MANIFOLD_GIT:-}" != "$manifold_git" ]; then
  GIT_CONFIG_COUNT=\${GIT_CONFIG_COUNT:-0}
  manifold_config() {
    export "GIT_CONFIG_KEY_$GIT_CONFIG_COUNT=$1" "GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT=$2"
    GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
  }
  manifold_config "http.$manifold_git/.sslCAInfo" "$manifold_ca"
  manifold_config "credential.$manifold_git.helper" "$manifold_helper"
  manifold_config "http.$manifold_git/.lowSpeedLimit" 1
  manifold_config "http.$manifold_git/.lowSpeedTime" ${gitSilentSecondsMax}
  unset -f manifold_config
  export GIT_CONFIG_COUNT MANIFOLD_GIT=$manifold_git
fi
# A proxy must not see what goes to this machine.
case ",\${NO_PROXY:-}," in
  *,localhost,*) ;;
  *) export NO_PROXY="\${NO_PROXY:+$NO_PROXY,}localhost,127.0.0.1" ;;
esac
case ",\${no_proxy:-}," in
  *,localhost,*) ;;
  *) export no_proxy="\${no_proxy:+$no_proxy,}localhost,127.0.0.1" ;;
esac
unset manifold_ca manifold_bundle manifold_git manifold_helper
`
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
