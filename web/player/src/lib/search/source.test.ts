import { describe, expect, it } from 'vitest';
import { jobOf } from '$lib/imports/testing';
import { rowState, type KnownImports } from './source';
import { candidateOf } from './testing';

const NOTHING: KnownImports = {
	bySource: () => undefined,
	isStarting: () => false,
	isCancelling: () => false,
	arrivedFrom: () => undefined,
	isGone: () => false
};

const stateOf = (known: Partial<KnownImports>, fields: Parameters<typeof candidateOf>[0] = {}) =>
	rowState(candidateOf(fields), { ...NOTHING, ...known }).kind;

describe('the one button of a row', () => {
	it('imports what is not there, also when somebody else has it', () => {
		expect(stateOf({})).toBe('import');
		expect(stateOf({}, { song_id: 's', in_library: false })).toBe('import');
	});

	it('plays what is in the library', () => {
		expect(stateOf({}, { song_id: 's', in_library: true })).toBe('play');
	});

	it('follows an import to its end', () => {
		expect(stateOf({ isStarting: () => true })).toBe('starting');
		expect(stateOf({ bySource: () => jobOf({ status: 'queued' }) })).toBe('importing');
		expect(stateOf({ bySource: () => jobOf({ status: 'processing' }) })).toBe('importing');
		expect(stateOf({ bySource: () => jobOf({ status: 'failed' }) })).toBe('failed');
		expect(stateOf({ bySource: () => jobOf({ status: 'cancelled' }) })).toBe('import');
		const arrived = { bySource: () => jobOf({ status: 'completed' }), arrivedFrom: () => 's' };
		expect(stateOf(arrived)).toBe('play');
	});

	it('imports again what was taken out of the library, whatever an old job says', () => {
		const done = () => jobOf({ status: 'completed', song_id: 's' });
		expect(stateOf({ bySource: done })).toBe('import');
		expect(stateOf({ isGone: () => true }, { song_id: 's', in_library: true })).toBe('import');
	});
});
