/**
 * What a router has to be shown to do: the cases of vegur's suites by their names, and our own list of
 * protocol and abuse cases by its numbers. Each is either played by the corpus or shown by a test named here.
 */

/** A test file and the title of a test in it. */
export type Elsewhere = readonly [file: string, title: string]

const codes = (title: string): Elsewhere => ['test/src/proxy-codes.test.ts', title]
const engine = (title: string): Elsewhere => ['test/src/proxy.test.ts', title]
const hosts = (title: string): Elsewhere => ['test/actors/router-codes.test.ts', title]
const parsers = (title: string): Elsewhere => ['test/src/http1.test.ts', title]
const h2 = (title: string): Elsewhere => ['test/src/proxy-http2.test.ts', title]

const refusals = codes('refusals are answered with their status, as HTML or JSON, and recorded as given')
const everyCut = parsers('requests are understood the same however they are cut')
const chunkCuts: Elsewhere = ['test/src/http1-response.test.ts', 'responses are framed by RFC 9112']

/** vegur's cases that the corpus does not play, by suite. `null`: what it pins does not exist any more. */
export const vegurElsewhere: Readonly<Record<string, Elsewhere | null>> = {
  'request/herokuapp_redirect': null,
  'request/maintainance_mode_on': hosts('shards of a host end requests as dynos and clients make them end'),
  'request/no_route': refusals,
  'request/app_not_found': refusals,
  'request/app_lookup_failed': refusals,
  'request/route_lookup_failed': refusals,
  'request/no_web_processes': hosts('shards of a host end requests as dynos and clients make them end'),
  'request/crashed': hosts('shards of a host end requests as dynos and clients make them end'),
  'request/app_blank': hosts('shards of a host end requests as dynos and clients make them end'),
  'request/backlog_timeout': hosts('H20: a dyno that does not come up in 75 seconds'),
  'request/backends_starting': hosts('H20: a dyno that does not come up in 75 seconds'),
  'request/backends_idle': hosts('H20: a dyno that does not come up in 75 seconds'),
  'request/backlog_too_deep': hosts('H11 and H22: more at once than an app may have'),
  'request/conn_limit_reached': hosts('H11 and H22: more at once than an app may have'),
  'request/backends_quarantined': hosts('H34: dynos that go on failing for others are not tried'),
  'proxy/service_try_again': codes('a target that refuses is passed over for another'),
  'proxy/no_content_length': engine('a request reaches its target with the headers of a router'),
  'proxy/response_attributes': engine('a request reaches its target with the headers of a router'),
  'proxy/request_statistics': engine('a request reaches its target with the headers of a router'),
  'proxy/request_keepalive_statistics': engine('a kept connection is used again while it is clean'),
  'chunked/all_bounds_1': chunkCuts,
  'chunked/all_bounds_2': [
    'test/src/http1-response.test.ts',
    'chunks come out the same wherever they are cut twice',
  ],
  'bytepipe/pipe_timeout': codes('silence in the middle is H15 or H28 by whose turn it was'),
  'client/deliberate_reason_phrase': chunkCuts,
  'client/first_read_timeout': codes(
    'a target that says nothing for 30 seconds after the whole request is H12',
  ),
  'client/other_read_timeout': codes('silence in the middle is H15 or H28 by whose turn it was'),
  'req_log/merge': codes('limits that make no sense are refused, and log fields can not be forged'),
}

/** The cases of the corpus that stand for vegur's, by suite: each of these names must be claimed by one. */
export const vegurPlayed: Readonly<Record<string, string>> = {
  continue:
    'back_and_forth body_timeout non_terminal continue_upgrade_httpbis upgrade_no_continue ' +
    'terminal_no_continue_partial terminal_no_continue_complete no_expect_continue http_1_0_continue ' +
    'unknown_expect bad_syntax_expect bypass',
  headers:
    'duplicate_different_lengths_req duplicate_csv_lengths_req duplicate_identical_lengths_req ' +
    'duplicate_different_lengths_resp duplicate_csv_lengths_resp duplicate_identical_lengths_resp ' +
    'delete_hop_by_hop response_cookie_limits response_header_line_limits response_status_limits via ' +
    'via_chain bad_status preserve_case header_order host_nofold host_conflict',
  http_1_0: 'advertise_1_1 conn_close_default conn_keepalive_opt chunked_to_1_0',
  chunked:
    'passthrough passthrough_short_crlf passthrough_early_0length passthrough_partial_early_0length1 ' +
    'passthrough_partial_early_0length2 passthrough_partial_early_0length3 interrupted_client ' +
    'interrupted_server bad_chunk trailers trailers_close trailers_client_err trailers_serv_err ' +
    'trailers_no_header bad_length html short_msg stream bad_trailers zero_crlf_end boundary_chunk ' +
    'zero_chunk_in_middle bad_next_chunk embedded_cr',
  body_less:
    'head_small_body_expect head_large_body_expect head_no_body_expect head_chunked_expect ' +
    'head_close_expect head_close_expect_client status_204 status_304 status_chunked_204 status_close_304 ' +
    'status_close_304_client bad_transfer_encoding valid_status_204 valid_status_304 valid_head',
  large_body:
    'large_body_stream large_body_close large_body_close_delimited large_body_request_response_interrupt ' +
    'large_chunked_request_response_interrupt large_close_request_response_interrupt ' +
    'large_close_request_response_interrupt_undetected weird_content_length',
  backend_close:
    'close_close_close close_keepalive_keepalive close_default_default close_close_keepalive ' +
    'close_keepalive_close',
  backend_keepalive:
    'keepalive_close_close keepalive_keepalive_keepalive keepalive_default_default keepalive_close_keepalive ' +
    'keepalive_keepalive_close keepalive_reset keepalive_http_1_0 keepalive_upgrade_close_server ' +
    'keepalive_upgrade_close_client keepalive_chunked keepalive_close_delimited keepalive_large_body',
  request:
    'no_host empty_host empty_expect url_limits header_line_limits header_count_limits invalid_expect ' +
    'absolute_uri upgrade_invalid upgrade_websockets',
  proxy:
    'request_id forwarded_for via connect_time_header start_time_header route_time_header host query_string ' +
    'content_length custom_downstream_headers websockets',
  bytepipe: 'pipe_proc pipe_become',
  client: 'missing_reason_phrase blank_reason_phrase order_preservation',
}

/** How far each series of our own list goes; the corpus names its cases by these. */
export const series: Readonly<Record<string, number>> = { F: 19, P: 15, R: 15, I: 10, H: 12, S: 19 }

const limitsHold = codes('slow heads get 408, idle connections are closed in silence')
const h2Bad = h2('what HTTP/1.1 would take for something else is broken off')
const frames = (title: string): Elsewhere => ['test/proxy/http2-abuse.test.ts', title]
const h2Never = frames('what would be something else in HTTP/1.1 never reaches a dyno as it was meant')

/** Those of the list that the corpus does not play. */
export const listElsewhere: Readonly<Record<string, readonly Elsewhere[]>> = {
  P13: [everyCut],
  H1: [h2Never],
  H2: [h2Never],
  H3: [h2Never],
  H4: [h2Bad, h2Never],
  H5: [
    frames('H5 a body that is not as long as was said is never whole to a dyno'),
    h2('a stream that breaks the rules is H33, one whose client leaves is H27'),
  ],
  H6: [h2Never, frames('H6 a pseudo header among trailers ends the stream, not the body')],
  H7: [h2('codes and pages are those of HTTP/1.1')],
  H8: [frames('H8 a window of one byte stalls its stream and nothing else')],
  H9: [
    frames('H9 ${name}: the connection is ended, its dynos let go'),
    frames('H9 ${name} without end from a client that reads nothing is not answered for ever'),
    h2('a client that only breaks requests off is sent away'),
  ],
  H10: [h2('draining says so first, lets a request under way end, and then closes')],
  H11: [h2('hundreds of requests share a connection')],
  H12: [['test/src/proxy-tls.test.ts', 'a connection made for one app carries no requests for another']],
  S1: [limitsHold],
  S2: [limitsHold],
  S3: [codes('silence in the middle is H15 or H28 by whose turn it was')],
  S4: [
    ['test/proxy/soak.test.ts', 'bodies arrive whole at flat memory while hundreds of slow clients are held'],
    ['test/src/proxy-bodies.test.ts', 'neither a slow client nor a slow target makes the proxy hold a body'],
  ],
  S5: [
    ['test/proxy/soak.test.ts', 'bodies arrive whole at flat memory while hundreds of slow clients are held'],
  ],
  S8: [hosts('H12, H15 and H28: silence before an answer, in it, and from a client that sends')],
  S9: [
    ['test/proxy/open-files.test.ts', 'a shard that may open no more files serves those that are there'],
    codes('too many connections of clients of one app are H22, wherever else they go'),
  ],
  S12: [chunkCuts],
  S14: [
    ['test/src/proxy-tls.test.ts', 'who does not finish a handshake is let go'],
    ['test/src/proxy-tls.test.ts', 'each name gets its certificate, unknown ones and none the fallback'],
    ['test/src/proxy-tls.test.ts', 'a connection made for one app carries no requests for another'],
  ],
  S15: [
    [
      'test/actors/access-log.test.ts',
      'whatever is said and however slowly it is stored, no line is lost without being counted',
    ],
  ],
  S18: [['test/actors/router-host.test.ts', 'shards of a host are one router']],
  S19: [['test/src/proxy-identity.test.ts', 'an address that comes back as soon as it may is never met']],
}
