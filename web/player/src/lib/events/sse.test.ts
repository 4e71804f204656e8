import { describe, expect, it } from 'vitest';
import { SseParser, type SseMessage } from './sse';

const STREAM =
	': connected\nid: 41\n\n' +
	'event: job\nid: 42\ndata: {"a":1}\n\n' +
	': still here\n\n' +
	'event: reset\nid: 50\ndata: {}\n\n';

function readAll(parser: SseParser, pieces: readonly string[]): SseMessage[] {
	return pieces.flatMap((piece) => parser.push(piece));
}

describe('SseParser', () => {
	it('reads events, ids and the reset, and passes over comments', () => {
		const parser = new SseParser();
		expect(readAll(parser, [STREAM])).toEqual([
			{ name: 'job', data: '{"a":1}', id: '42' },
			{ name: 'reset', data: '{}', id: '50' }
		]);
		expect(parser.lastId).toBe('50');
	});

	it('reads the same events wherever the stream is cut', () => {
		for (const stream of [STREAM, STREAM.replaceAll('\n', '\r\n'), STREAM.replaceAll('\n', '\r')]) {
			for (let first = 0; first <= stream.length; first += 1) {
				for (const second of [first, first + 1, first + 7]) {
					const parser = new SseParser();
					const pieces = [stream.slice(0, first), stream.slice(first, second), stream.slice(second)];
					const messages = readAll(parser, pieces);
					expect(messages.map(({ name }) => name)).toEqual(['job', 'reset']);
					expect(parser.lastId).toBe('50');
				}
			}
		}
	});

	it('takes the id of an event without data, so that a line cut at once can resume', () => {
		const parser = new SseParser();
		expect(parser.push(': connected\nid: 7\n\n')).toEqual([]);
		expect(parser.lastId).toBe('7');
	});

	it('takes no id of an event that was cut off', () => {
		const parser = new SseParser();
		parser.push('id: 7\n\nevent: job\nid: 8\ndata: {}\n');
		expect(parser.lastId).toBe('7');
	});

	it('joins several data lines and takes one leading space only', () => {
		const parser = new SseParser();
		expect(parser.push('data:  a\ndata:b\ndata\n\n')).toEqual([
			{ name: 'message', data: ' a\nb\n', id: null }
		]);
	});

	it('ignores unknown fields, ids with a null character and malformed waits', () => {
		const parser = new SseParser();
		parser.push('id: a\0b\nretry: soon\nwhat: ever\ndata: x\n\n');
		expect(parser.lastId).toBeNull();
		expect(parser.retryMs).toBeNull();
		parser.push('retry: 1500\n\n');
		expect(parser.retryMs).toBe(1500);
	});

	it('passes over a byte order mark at the start', () => {
		expect(new SseParser().push('\uFEFFdata: x\n\n')).toEqual([{ name: 'message', data: 'x', id: null }]);
	});
});
