/** Installing the page as an app, where the browser lets a page offer it. */
import { createContext } from 'svelte';

/** Chromium's; not in TypeScript's library. */
interface InstallEvent extends Event {
	prompt(): Promise<{ outcome: 'accepted' | 'dismissed' }>;
}

export class Install {
	#offer = $state.raw<InstallEvent | null>(null);
	installed = $state(window.matchMedia('(display-mode: standalone)').matches);
	#stop: () => void;

	constructor() {
		const offered = (event: Event) => {
			event.preventDefault();
			this.#offer = event as InstallEvent;
		};
		const installed = () => {
			this.#offer = null;
			this.installed = true;
		};
		window.addEventListener('beforeinstallprompt', offered);
		window.addEventListener('appinstalled', installed);
		this.#stop = () => {
			window.removeEventListener('beforeinstallprompt', offered);
			window.removeEventListener('appinstalled', installed);
		};
	}

	get available(): boolean {
		return this.#offer !== null;
	}

	/** Asks; an offer is good for one question. */
	async ask(): Promise<void> {
		const offer = this.#offer;
		this.#offer = null;
		await offer?.prompt();
	}

	dispose(): void {
		this.#stop();
	}
}

export const [getInstall, setInstall] = createContext<Install>();
