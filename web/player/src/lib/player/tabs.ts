/** Of all tabs one plays: who begins tells the others, and they fall silent. */

interface Word {
	playing: string;
}

export type OpenChannel = (name: string) => BroadcastChannel | null;

export const openChannel: OpenChannel = (name) =>
	typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(name);

export class OnlyOneTab {
	readonly #channel: BroadcastChannel | null;
	readonly #self = Math.random().toString(36).slice(2);

	constructor(open: OpenChannel, onother: () => void) {
		this.#channel = open('songkeep-player');
		if (this.#channel === null) return;
		this.#channel.onmessage = ({ data }: MessageEvent<Word>) => {
			if (data.playing !== this.#self) onother();
		};
	}

	claim(): void {
		this.#channel?.postMessage({ playing: this.#self } satisfies Word);
	}

	dispose(): void {
		this.#channel?.close();
	}
}
