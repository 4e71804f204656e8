/** The time of day, once a second, while somebody needs it. */
export class Clock {
	now = $state(Date.now());

	/** Runs until the returned function is called. */
	run(): () => void {
		this.now = Date.now();
		const timer = setInterval(() => (this.now = Date.now()), 1_000);
		return () => clearInterval(timer);
	}
}
