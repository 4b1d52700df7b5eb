/**
 * rsyslog and syslog-ng as senders: each takes RFC 5424 messages, a line each, at two ports of its own, and
 * sends them on as their manuals have it, over TCP and over TLS, with a token as their APP-NAME.
 */
import type { Test } from 'tap'
import { freePorts } from './ports.ts'
import { runDaemon, type Daemon } from './syslog-daemons.ts'

export type SendTo = { readonly port: number; readonly token: string; readonly ca: string }

const rsyslogConf = (folder: string, tcp: number, tls: number, { port, token }: SendTo): string => `
global(workDirectory="${folder}" maxMessageSize="64k" defaultNetstreamDriverCAFile="${folder}/ca.pem")
module(load="imptcp")
template(name="logplex" type="string"
  string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% ${token} %PROCID% %MSGID% %STRUCTURED-DATA% %msg%")
ruleset(name="tcp") {
  action(type="omfwd" target="localhost" port="${port}" protocol="tcp" TCP_Framing="octet-counted"
    template="logplex") }
ruleset(name="tls") {
  action(type="omfwd" target="localhost" port="${port}" protocol="tcp" TCP_Framing="octet-counted"
    template="logplex" StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name"
    StreamDriverPermittedPeers="localhost") }
input(type="imptcp" address="127.0.0.1" port="${tcp}" ruleset="tcp" maxFrameSize="65536")
input(type="imptcp" address="127.0.0.1" port="${tls}" ruleset="tls" maxFrameSize="65536")
`

const syslogNgConf = (folder: string, tcp: number, tls: number, { port, token }: SendTo): string => `
@version: 3.35
options { keep-hostname(yes); use-dns(no); log-msg-size(65536); frac-digits(6); };
source tcp { network(ip("127.0.0.1") port(${tcp}) transport("tcp") flags(syslog-protocol)); };
source tls { network(ip("127.0.0.1") port(${tls}) transport("tcp") flags(syslog-protocol)); };
rewrite token { set("${token}" value("PROGRAM")); };
destination tcp { syslog("localhost" port(${port}) transport("tcp")); };
destination tls { syslog("localhost" port(${port}) transport("tls") persist-name("tls")
  tls(ca-file("${folder}/ca.pem") peer-verify(required-trusted))); };
log { source(tcp); rewrite(token); destination(tcp); };
log { source(tls); rewrite(token); destination(tls); };
`

/** @returns the ports at which it takes messages: what comes to `tls` goes on by TLS */
export const startSender = async (t: Test, kind: Daemon, to: SendTo) => {
  const [tcp = 0, tls = 0] = await freePorts(2)
  const conf = kind === 'rsyslog' ? rsyslogConf : syslogNgConf
  await runDaemon(t, kind, [tcp, tls], {
    conf: (folder) => conf(folder, tcp, tls, to),
    files: { 'ca.pem': to.ca },
  })
  return { tcp, tls }
}
