/** Who wants to hear of something. */
export class Listeners<T> {
	#all = new Set<(value: T) => void>();

	/** Returns how to stop. */
	add(listener: (value: T) => void): () => void {
		this.#all.add(listener);
		return () => this.#all.delete(listener);
	}

	/** Also when listeners come and go meanwhile. */
	tell(value: T): void {
		for (const listener of [...this.#all]) listener(value);
	}

	clear(): void {
		this.#all.clear();
	}
}
