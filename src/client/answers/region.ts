/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Region = {
  readonly country: string
  readonly created_at: string
  readonly description: string
  readonly id: string
  readonly locale: string
  readonly name: string
  readonly private_capable: boolean
  readonly provider: {
    readonly name: string
    readonly region:
      | 'ap-south-1'
      | 'eu-west-1'
      | 'ap-southeast-1'
      | 'ap-southeast-2'
      | 'eu-central-1'
      | 'eu-west-2'
      | 'ap-northeast-2'
      | 'ap-northeast-1'
      | 'us-east-1'
      | 'sa-east-1'
      | 'us-west-1'
      | 'us-west-2'
      | 'ca-central-1'
  }
  readonly updated_at: string
}
