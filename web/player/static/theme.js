// Runs before anything is painted. $lib/settings writes what it reads.
(() => {
	let theme = 'system';
	try {
		theme = localStorage.getItem('songkeep.theme') ?? theme;
	} catch {
		// Storage is refused: as the system is.
	}
	const root = document.documentElement;
	if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
	const isDark =
		theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
	const color = document.createElement('meta');
	color.name = 'theme-color';
	color.content = isDark ? '#150f17' : '#fbf9f5';
	document.head.append(color);
})();
