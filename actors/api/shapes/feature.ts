/** A feature of an app, as the Platform API shows it. */
import type { FeatureKind } from '../../../config/features.ts'
import type { AppView } from '../../protocols/app.ts'
import { idFor, timeText } from './common.ts'

export type FeatureBody = { readonly id: string; readonly name: string; readonly [field: string]: unknown }

export const featureBody = (
  { name, state, title, description, docUrl }: FeatureKind,
  enabled: boolean,
  app: AppView,
): FeatureBody => ({
  created_at: timeText(app.createdAt),
  description,
  display_name: title,
  doc_url: docUrl,
  enabled,
  feedback_email: app.owner.email,
  id: idFor('app_feature', app.id, name),
  name,
  state,
  updated_at: timeText(app.updatedAt),
})
