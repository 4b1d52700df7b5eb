/**
 * The apps of the scenarios as they are pushed: one Python program, which the stack can run as it is.
 *
 * `web` answers with who it is; `ticker` says numbered lines and keeps their number in a file of its /tmp,
 * where the harness reads it. Its host name is its run's id.
 */
import type { AppSpec } from '../language.ts'

export type Files = Readonly<Record<string, string>>

const program = `import http.server, json, os, signal, socket, sys, time
APP, DYNO, LIFE = sys.argv[2], os.environ['DYNO'], socket.gethostname()
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = json.dumps({'app': APP, 'dyno': DYNO, 'life': LIFE, 'bootMs': BOOT_MS}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512

def tick(rate):
    said = 0
    while True:
        print(f'chaos life={LIFE} n={said}', flush=True)
        said += 1
        with open('/tmp/said.new', 'w') as file:
            file.write(str(said))
        os.rename('/tmp/said.new', '/tmp/said')
        time.sleep(1 / rate)

if sys.argv[1] == 'web':
    server = Server(('0.0.0.0', int(os.environ['PORT'])), Handler)
    BOOT_MS = 1000 * (time.time() - float(os.environ['BEGAN']))
    server.serve_forever()
elif sys.argv[1] == 'ticker':
    tick(float(sys.argv[3]))
else:
    while True:
        time.sleep(3600)
`

/** Where a ticker keeps how many lines it has said. */
export const saidFile = 'tmp/said'

export const filesOf = (app: AppSpec, linesPerSecond: number): Files => ({
  'chaos.py': program,
  Procfile: Object.entries(app.types)
    .map(
      ([type, { does }]) =>
        `${type}: BEGAN=$EPOCHREALTIME exec python3 -S chaos.py ${does} ${app.name} ${linesPerSecond}\n`,
    )
    .join(''),
})
