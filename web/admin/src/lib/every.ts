/** Runs something now and then while the page is looked at, and at once when it is looked at again. */
export function whileVisible(run: () => void, ms: number): () => void {
	const look = () => document.visibilityState === 'visible' && run();
	const timer = window.setInterval(look, ms);
	document.addEventListener('visibilitychange', look);
	return () => {
		window.clearInterval(timer);
		document.removeEventListener('visibilitychange', look);
	};
}
