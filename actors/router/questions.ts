/**
 * Questions to the record: one at a time about one thing, a bounded number at once, the rest in a bounded
 * line. A cold shard that is asked for 100,000 hosts at once asks for each once, and no faster than it is
 * answered.
 */
export type Questions<T> = {
  /** The same answer for all who ask while it is open. Rejects with `QuestionsFull`, or as `ask`. */
  about(subject: string, ask: () => Promise<T>): Promise<T>
  /** Open ones, and those in line. */
  size(): number
}

export class QuestionsFull extends Error {
  override readonly name = 'QuestionsFull'
  readonly code = 'questions_full'
}

export const createQuestions = <T>(atOnceMax: number, waitingMax: number): Questions<T> => {
  const open = new Map<string, Promise<T>>()
  /** In line, first in first out; those before `next` have gone. */
  let line: (() => void)[] = []
  let next = 0
  let asked = 0

  const enter = (): Promise<void> | undefined => {
    if (asked < atOnceMax) {
      asked++
      return undefined
    }
    return new Promise((resolve) => void line.push(resolve))
  }
  const leave = (): void => {
    const first = line[next]
    if (first === undefined) {
      asked--
      return
    }
    next++
    if (next === line.length) [line, next] = [[], 0]
    first()
  }
  const run = async (subject: string, ask: () => Promise<T>): Promise<T> => {
    await enter()
    try {
      return await ask()
    } finally {
      open.delete(subject)
      leave()
    }
  }

  return {
    about: (subject, ask) => {
      const known = open.get(subject)
      if (known !== undefined) return known
      if (line.length - next >= waitingMax)
        return Promise.reject(new QuestionsFull(`${waitingMax} questions wait`))
      const answer = run(subject, ask)
      open.set(subject, answer)
      return answer
    },
    size: () => open.size,
  }
}
