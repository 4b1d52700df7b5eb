/** The curve of placements a second from empty to full, as numbers and as a picture. Pure. */
export type Sample = { readonly dynos: number; readonly at: number }
export type Step = { readonly dynos: number; readonly perSecond: number }

/** The rate within each of so many equal parts of the way, from the samples around them. */
export const stepsOf = (samples: readonly Sample[], total: number, parts: number): readonly Step[] => {
  const timeAt = (dynos: number): number => {
    const next = samples.findIndex((sample) => sample.dynos >= dynos)
    const [b, a] = [samples[next], samples[next - 1]]
    if (b === undefined) return samples.at(-1)?.at ?? 0
    if (a === undefined || b.dynos === a.dynos) return b.at
    return a.at + ((b.at - a.at) * (dynos - a.dynos)) / (b.dynos - a.dynos)
  }
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [(total * part) / parts, (total * (part + 1)) / parts]
    return { dynos: to, perSecond: ((to - from) * 1_000) / Math.max(1, timeAt(to) - timeAt(from)) }
  })
}

const width = 720
const height = 320
const margin = 56

export const svgOf = (steps: readonly Step[], title: string): string => {
  const total = steps.at(-1)?.dynos ?? 1
  const most = Math.max(1, ...steps.map((step) => step.perSecond))
  const top = 10 ** Math.floor(Math.log10(most)) * Math.ceil(most / 10 ** Math.floor(Math.log10(most)))
  const x = (dynos: number): number => margin + ((width - 2 * margin) * dynos) / total
  const y = (rate: number): number => height - margin - ((height - 2 * margin) * rate) / top
  const points = steps.map(({ dynos, perSecond }) => `${x(dynos).toFixed(1)},${y(perSecond).toFixed(1)}`)
  const rules = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(top * share).toFixed(1)
    return [
      `<line x1="${margin}" y1="${at}" x2="${width - margin}" y2="${at}" stroke="#ddd"/>`,
      `<text x="${margin - 6}" y="${at}" text-anchor="end" dominant-baseline="middle">${top * share}</text>`,
    ].join('')
  })
  const marks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${x(total * share)}" y="${height - margin + 18}" text-anchor="middle">${Math.round(total * share)}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${width / 2}" y="24" text-anchor="middle" font-size="15">${title}</text>`,
    ...rules,
    ...marks,
    `<text x="${width / 2}" y="${height - 12}" text-anchor="middle">dynos placed</text>`,
    `<text x="16" y="${height / 2}" text-anchor="middle" transform="rotate(-90 16 ${height / 2})">placements a second</text>`,
    `<polyline fill="none" stroke="#5a3fa0" stroke-width="2" points="${points.join(' ')}"/>`,
    '</svg>',
    '',
  ].join('\n')
}
