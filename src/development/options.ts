import type { EventsInput } from '../transport/request'

export function checkEvents(_input: EventsInput, _options: object): void {}
