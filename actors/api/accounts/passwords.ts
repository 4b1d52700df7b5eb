/**
 * Passwords, kept as scrypt sums (RFC 7914): `scrypt$<log2 N>$<salt>$<sum>`, base64url. The cost is in the
 * sum, so that it may grow.
 */
import { scrypt, timingSafeEqual } from 'node:crypto'
import type { Random } from '../../../src/ports/random.ts'

export const passwordCharsMin = 12
export const passwordCharsMax = 256

const costLog2 = 15
const blockSize = 8
const sumBytes = 32
/** Of letters and digits: 130 bits. */
const saltLength = 22
const shape = /^scrypt\$(\d{2})\$([\w-]+)\$([\w-]+)$/

const derive = (password: string, salt: Buffer, log2: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const cost = 2 ** log2
    const limits = { N: cost, r: blockSize, maxmem: 256 * cost * blockSize }
    scrypt(password.normalize('NFKC'), salt, sumBytes, limits, (error, sum) =>
      error === null ? resolve(sum) : reject(error),
    )
  })

export const sumOfPassword = async (password: string, random: Random): Promise<string> => {
  const salt = Buffer.from(random.token(saltLength))
  const sum = await derive(password, salt, costLog2)
  return `scrypt$${costLog2}$${salt.toString('base64url')}$${sum.toString('base64url')}`
}

/** What is compared with where there is no password, so that it takes as long. */
const nobodys = ['scrypt', costLog2, 'AAAA', Buffer.alloc(sumBytes).toString('base64url')].join('$')

export const isPassword = async (password: string, kept: string | undefined): Promise<boolean> => {
  const [, log2 = '', salt = '', sum = ''] = shape.exec(kept ?? nobodys) ?? []
  const given = await derive(password, Buffer.from(salt, 'base64url'), Number(log2))
  const right = Buffer.from(sum, 'base64url')
  return given.length === right.length && timingSafeEqual(given, right) && kept !== undefined
}
