/**
 * Reads `text/event-stream` as the HTML standard defines it, from pieces that may be cut anywhere. Knows
 * nothing of the network.
 */

export interface SseMessage {
	/** `message` when the stream names none. */
	readonly name: string;
	readonly data: string;
	/** The last id given so far, by this event or one before it. */
	readonly id: string | null;
}

export class SseParser {
	/** Of the last whole event, data or not: what a new connection says in `Last-Event-ID`. */
	lastId: string | null = null;
	/** How long the server asks to wait before a new connection. */
	retryMs: number | null = null;

	#rest = '';
	#atStart = true;
	/** The last piece ended in CR: an LF that follows belongs to the same line end. */
	#afterCr = false;
	#name = '';
	#data: string[] = [];
	#id: string | null = null;

	/** The events that are complete with this piece. */
	push(piece: string): SseMessage[] {
		let text = piece;
		if (text === '') return [];
		if (this.#atStart) {
			this.#atStart = false;
			if (text.startsWith('\uFEFF')) text = text.slice(1);
		}
		if (this.#afterCr && text.startsWith('\n')) text = text.slice(1);
		this.#afterCr = text.endsWith('\r') || (text === '' && this.#afterCr);

		const lines = (this.#rest + text).split(/\r\n|\n|\r/);
		this.#rest = lines.pop() ?? '';
		const messages: SseMessage[] = [];
		for (const line of lines) {
			if (line !== '') {
				this.#field(line);
				continue;
			}
			const message = this.#finish();
			if (message) messages.push(message);
		}
		return messages;
	}

	#field(line: string): void {
		const at = line.indexOf(':');
		if (at === 0) return;
		const field = at < 0 ? line : line.slice(0, at);
		const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '');
		if (field === 'event') this.#name = value;
		else if (field === 'data') this.#data.push(value);
		else if (field === 'id' && !value.includes('\0')) this.#id = value;
		else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
	}

	#finish(): SseMessage | null {
		if (this.#id !== null) this.lastId = this.#id;
		const message =
			this.#data.length > 0
				? { name: this.#name || 'message', data: this.#data.join('\n'), id: this.lastId }
				: null;
		this.#name = '';
		this.#data = [];
		this.#id = null;
		return message;
	}
}
