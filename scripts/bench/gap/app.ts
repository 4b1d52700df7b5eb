/**
 * A web app that ends as an app should: on SIGTERM it takes no new connection, finishes what it has begun,
 * and exits. It keeps its connections until then. Each answer says which life of which dyno made it, and
 * proves that the request arrived whole.
 */
import { createHash } from 'node:crypto'

const server = `import asyncio, hashlib, json, os, signal

with open('/etc/heroku/dyno') as file:
    me = json.load(file)
name = f"v{me['release']['id']} {me['dyno']['name']} {me['dyno']['physical_id']}"
pause = %PAUSE%
busy = 0
ending = asyncio.Event()

async def answer(path, body, writer):
    keep = '' if not ending.is_set() else 'Connection: close\\r\\n'
    kind = path.split('/')[1]
    text = f'{name} {hashlib.sha256(body).hexdigest()} {path}\\n'.encode()
    if kind == 'stream':
        writer.write(f'HTTP/1.1 200 OK\\r\\n{keep}Transfer-Encoding: chunked\\r\\n\\r\\n'.encode())
        for piece in [text] + [f'piece {at}\\n'.encode() for at in range(%PIECES%)]:
            writer.write(f'{len(piece):x}\\r\\n'.encode() + piece + b'\\r\\n')
            await writer.drain()
            await asyncio.sleep(pause / %PIECES%)
        writer.write(b'0\\r\\n\\r\\n')
    else:
        if kind == 'slow':
            await asyncio.sleep(pause)
        writer.write(f'HTTP/1.1 200 OK\\r\\n{keep}Content-Length: {len(text)}\\r\\n\\r\\n'.encode() + text)
    await writer.drain()

async def serve(reader, writer):
    global busy
    # What is drained has been given to the kernel, which sends it also when this process is over.
    writer.transport.set_write_buffer_limits(0)
    try:
        while not ending.is_set():
            head = (await reader.readuntil(b'\\r\\n\\r\\n')).decode('latin-1').split('\\r\\n')
            busy += 1
            try:
                fields = {k.lower(): v.strip() for k, _, v in (line.partition(':') for line in head[1:])}
                body = await reader.readexactly(int(fields.get('content-length', '0')))
                await answer(head[0].split(' ')[1], body, writer)
            finally:
                busy -= 1
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    server = await asyncio.start_server(serve, '0.0.0.0', int(os.environ['PORT']), backlog=1024)
    await ending.wait()
    server.close()
    while busy > 0:
        await asyncio.sleep(0.01)

asyncio.run(main())
`

const pieces = 20
/** How long a slow answer and a streamed one take. */
export const slowMs = 2_000

/** @param mark what makes one version of it another slug than the next */
export const gapApp = (mark: string): Readonly<Record<string, string>> => ({
  Procfile: 'web: exec python3 web.py\n',
  'web.py': server.replace('%PAUSE%', String(slowMs / 1_000)).replaceAll('%PIECES%', String(pieces)),
  'mark.txt': `${mark}\n`,
})

/** What an answer says of who made it. */
export type Said = { readonly release: number; readonly dyno: string; readonly runId: string }

/** @returns undefined: it is not the whole and right answer to that request */
export const readSaid = (text: string, path: string, body: Buffer): Said | undefined => {
  const [first = '', ...rest] = text.split('\n')
  const [release = '', dyno = '', runId = '', sum, echoed] = first.split(' ')
  const tail = path.startsWith('/stream/') ? Array.from({ length: pieces }, (_, at) => `piece ${at}`) : []
  const isWhole = rest.join('\n') === [...tail, ''].join('\n')
  const isRight = sum === createHash('sha256').update(body).digest('hex') && echoed === path
  return isWhole && isRight ? { release: Number(release.slice(1)), dyno, runId } : undefined
}
