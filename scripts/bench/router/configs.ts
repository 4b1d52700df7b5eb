/** The settings of the upstream and of each peer: the same added headers and an access line a request. */

/** Where a proxy listens and what it forwards to. */
export type Place = {
  readonly dir: string
  readonly port: number
  readonly tlsPort: number
  readonly origin: number
  /** File with a certificate and its key. */
  readonly certificate: string
}

const nginxMain = (dir: string, name: string): string => `
daemon off; master_process off; worker_processes 1; user root; pid ${dir}/${name}.pid;
error_log ${dir}/${name}.log;
events { worker_connections 4096; }
`

/** The upstream of all: what they ask for, read whole before it is answered, and an echo of messages. */
export const originConf = (dir: string, port: number, echo: number): string => `${nginxMain(dir, 'origin')}
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; sendfile on; tcp_nodelay on;
  server {
    listen 127.0.0.1:${port} backlog=4096; root ${dir};
    location /small { default_type text/plain; return 200 "hello, world\\n"; }
    location /upload {
      client_max_body_size 2m; client_body_buffer_size 2m; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_pass http://127.0.0.1:${port}/small;
    }
    location /echo {
      proxy_pass http://127.0.0.1:${echo}; proxy_http_version 1.1; proxy_read_timeout 600;
      proxy_set_header Upgrade websocket; proxy_set_header Connection upgrade;
    }
  }
}
`

export const nginxConf = ({
  dir,
  port,
  tlsPort,
  origin,
  certificate,
}: Place): string => `${nginxMain(dir, 'proxy')}
http {
  log_format access 'at=info method=$request_method path="$request_uri" host=$host request_id=$request_id '
    'fwd="$proxy_add_x_forwarded_for" dyno=web.1 connect=$upstream_connect_time service=$request_time '
    'status=$status bytes=$bytes_sent protocol=http';
  access_log ${dir}/nginx-access.log access buffer=64k;
  keepalive_requests 1000000000; client_max_body_size 0; tcp_nodelay on;
  upstream origin { server 127.0.0.1:${origin}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen 127.0.0.1:${tlsPort} ssl http2 backlog=4096;
    ssl_certificate ${certificate}; ssl_certificate_key ${certificate};
    ssl_session_cache shared:sessions:10m;
    proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Start $msec;
    proxy_set_header Via "1.1 nginx"; add_header Via "1.1 nginx";
    location / { proxy_pass http://origin; }
    # Large bodies stream, as they do through the others; small ones it takes whole, which is quicker.
    location /1m { proxy_buffering off; proxy_pass http://origin; }
    location /upload { proxy_request_buffering off; proxy_pass http://origin; }
    location /echo {
      proxy_pass http://origin; proxy_read_timeout 600;
      proxy_set_header Upgrade websocket; proxy_set_header Connection upgrade;
    }
  }
}
`

export const haproxyConf = ({ port, tlsPort, origin, certificate }: Place): string => `
global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 600s
  option httplog
  log global
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
frontend front
  bind 127.0.0.1:${port} backlog 4096
  bind 127.0.0.1:${tlsPort} backlog 4096 ssl crt ${certificate} alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Request-Start %[date()]
  http-request add-header Via "1.1 haproxy"
  http-response add-header Via "1.1 haproxy"
  default_backend back
backend back
  http-reuse always
  server origin 127.0.0.1:${origin} pool-max-conn 64
`

export const caddyConf = ({ dir, port, tlsPort, origin, certificate }: Place): string => `
{
  admin off
  auto_https off
}
(site) {
  log {
    output file ${dir}/caddy-access.log
  }
  reverse_proxy 127.0.0.1:${origin} {
    header_up X-Request-Id {http.request.uuid}
    header_up X-Forwarded-Port {http.request.port}
    header_up X-Request-Start {time.now.unix_ms}
    header_up Via "1.1 caddy"
    header_down Via "1.1 caddy"
  }
}
http://127.0.0.1:${port} {
  import site
}
https://127.0.0.1:${tlsPort} {
  tls ${certificate} ${certificate}
  import site
}
`
