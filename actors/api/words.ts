/**
 * Words for invented app names: short and harmless, so that `adjective-noun-12345` stays below 30
 * characters.
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/)

export const adjectives = words(`
  aged ancient arcane autumn billowing bitter blooming blue bold brave breezy bright calm clear cold cool
  crimson damp dark dawn deep desolate dry dusty early empty evening fading falling fierce floating
  flowing foggy fresh frosty frozen gentle glacial golden green guarded hidden high hollow icy immense
  infinite intense jolly late limitless little lively lonely long lucid misty morning mysterious nameless
  obscure old pacific peaceful polar protected proud purple quiet radiant rapid red restless rocky rough
  rugged safe salty secret serene shady sharp shielded silent sleepy slow small snowy soft solitary
  sparkling spring stark steady still stormy summer sunny swift tall thin tranquil twilight vast wandering
  warm weathered white wild windy winter wispy young
`)

export const nouns = words(`
  anchor atoll badlands bastion bay beach bird bluff brook brushlands butterfly canyon caverns chamber
  cherry citadel cliffs cloud coast cove crag creek dawn depths dew dune dusk eyrie falls feather field
  fire firefly fjord flower forest fortress frog garden gorge grass harbor haze headland hill hollows
  inlet island journey lagoon lake leaf ledge meadow mesa mist moon morning mountain night oasis ocean
  peak pine plains plateau pond rain ravine reef refuge ridge river sands savannah sea shadow shelf shore
  sierra sky smoke snow sound spire springs star stream summit sun sunset surf temple thicket thunder tide
  tor tree tundra valley voice water waterfall wave wildwood wind wood
`)
