/**
 * The pages that an app's owner names in config vars: the router sends their addresses to everybody, so they
 * are no secret. Pure.
 */
import type { Pages } from '../../protocols/shapes.ts'

const urlCharsMax = 2048
/** A page that a browser may be sent to; the scheme may be left out, as Heroku says it. */
const urlPattern = /^(?:https?:)?\/\/[^\s\x00-\x1f\x7f]+$/i

/** What is no such address counts as none, and the built-in page is shown. */
export const pagesOf = (vars: Readonly<Record<string, string>>): Pages => ({
  error: urlOf(vars['ERROR_PAGE_URL']),
  maintenance: urlOf(vars['MAINTENANCE_PAGE_URL']),
})

const urlOf = (text = ''): string => (text.length <= urlCharsMax && urlPattern.test(text) ? text : '')
