/**
 * Any text as one subject token and back, without loss: letters, digits, `-` and `_` stay, every other UTF-16
 * code unit becomes `=hh` or `=uhhhh`, and the empty text is a lone `=`. (`.`, `*`, `>` and blanks mean
 * something in subjects; `=` is allowed in KV keys, so other tools can read ours.)
 */
const plain = /^[A-Za-z0-9_-]+$/
const special = /[^A-Za-z0-9_-]/g
const escaped = /=u([0-9a-f]{4})|=([0-9a-f]{2})/g

/** @returns a token of a subject that stands for `text` and no other */
export const toToken = (text: string): string => {
  if (plain.test(text)) return text
  if (text === '') return '='
  return text.replace(special, (unit) => {
    const code = unit.charCodeAt(0)
    return code < 0x100 ? `=${code.toString(16).padStart(2, '0')}` : `=u${code.toString(16).padStart(4, '0')}`
  })
}

/** The text a token of `toToken` stands for. */
export const fromToken = (token: string): string => {
  if (token === '=') return ''
  return token.replace(escaped, (_, long: string | undefined, short: string | undefined) =>
    String.fromCharCode(Number.parseInt(long ?? short ?? '', 16)),
  )
}
