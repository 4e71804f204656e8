import { describe, expect, it } from 'vitest';
import { isAt, PLACES } from './places';

const [home, , library] = PLACES;

describe('places', () => {
	it('hold the pages below them', () => {
		if (!home || !library) throw new Error('there are places');
		expect(isAt(library, '/library/albums/x')).toBe(true);
		expect(isAt(library, '/libraryish')).toBe(false);
		expect(isAt(home, '/')).toBe(true);
		expect(isAt(home, '/library')).toBe(false);
	});
});
