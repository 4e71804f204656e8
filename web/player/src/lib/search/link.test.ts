import { describe, expect, it } from 'vitest';
import { linkIn } from './link';

const ID = 'dQw4w9WgXcQ';

describe('linkIn', () => {
	it.each([
		`https://www.youtube.com/watch?v=${ID}`,
		`https://www.youtube.com/watch?list=PL1&v=${ID}&t=10`,
		`http://m.youtube.com/watch?v=${ID}`,
		`https://music.youtube.com/watch?v=${ID}`,
		`https://youtu.be/${ID}?si=abc`,
		`youtu.be/${ID}`,
		`www.youtube.com/shorts/${ID}`,
		`https://www.youtube-nocookie.com/embed/${ID}`,
		`  https://youtube.com/live/${ID}\n`
	])('knows the recording of %s', (text) => {
		expect(linkIn(text)?.source).toEqual({ provider: 'youtube', id: ID });
	});

	it.each([
		'https://example.com/song.mp3',
		'https://www.youtube.com/playlist?list=PL1',
		`https://youtube.com.example.com/watch?v=${ID}`,
		'https://youtu.be/short'
	])('leaves it to the server what %s is', (text) => {
		expect(linkIn(text)).toMatchObject({ source: null });
	});

	it.each([
		'',
		'never gonna give you up',
		ID,
		'AC/DC',
		`see https://youtu.be/${ID}`,
		'javascript:alert(1)',
		'file:///etc/passwd',
		'https://',
		'https://localhost'
	])('takes "%s" for words', (text) => {
		expect(linkIn(text)).toBeNull();
	});

	it('names the host without www', () => {
		expect(linkIn('https://www.example.com/a')?.host).toBe('example.com');
	});
});
