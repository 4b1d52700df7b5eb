/** A telemetry drain as the Platform API shows it. */
import type { AppView, DrainView } from '../../protocols/app.ts'
import { timeText } from './common.ts'

/** What this platform has to send. */
export const signalsSent = ['logs'] as const
export const exporterType = 'otlphttp'

export const telemetryDrainBody = (
  drain: DrainView,
  app: AppView,
  headers: Readonly<Record<string, string>>,
): object => ({
  created_at: timeText(drain.createdAt),
  exporter: { type: exporterType, endpoint: drain.url, headers },
  id: drain.id,
  owner: { id: app.id, type: 'app' },
  signals: signalsSent,
  updated_at: timeText(drain.updatedAt),
})
