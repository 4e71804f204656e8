/** How hard a new password is to guess, roughly: enough for a hint, never to refuse one. */

export type Strength = 'short' | 'weak' | 'fair' | 'good';

const MIN_LENGTH = 8;
const ROWS = [
	'abcdefghijklmnopqrstuvwxyz',
	'01234567890',
	'qwertyuiop',
	'qwertzuiop',
	'asdfghjkl',
	'yxcvbnm',
	'zxcvbnm'
];
const COMMON = /passw|kennwort|letmein|welcome|songkeep|iloveyou/i;

export function strengthOf(password: string, email = ''): Strength {
	const chars = [...password.toLowerCase()];
	if (chars.length < MIN_LENGTH) return 'short';
	// What follows from the character before it is no guess at all.
	const surprises = chars.filter((char, at) => at === 0 || !follows(chars[at - 1] ?? '', char)).length;
	const isVaried = new Set(chars).size >= 8;
	const name = email.split('@')[0]?.toLowerCase() ?? '';
	const isKnown = COMMON.test(password) || (name.length >= 4 && password.toLowerCase().includes(name));
	const worth = isKnown ? surprises - 8 : surprises;
	if (worth >= 14 && isVaried) return 'good';
	return worth >= 8 && new Set(chars).size >= 5 ? 'fair' : 'weak';
}

/** How many characters are still missing. */
export function missingChars(password: string): number {
	return Math.max(0, MIN_LENGTH - [...password].length);
}

function follows(before: string, char: string): boolean {
	if (before === char) return true;
	return ROWS.some((row) => row.includes(before + char) || row.includes(char + before));
}
