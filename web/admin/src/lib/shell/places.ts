import Gauge from '@lucide/svelte/icons/gauge';
import Import from '@lucide/svelte/icons/import';
import Music from '@lucide/svelte/icons/music';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Users from '@lucide/svelte/icons/users';
import { m } from '$lib/paraglide/messages';

export const PLACES = [
	{ path: '/', label: m.admin_overview, icon: Gauge },
	{ path: '/users', label: m.admin_users, icon: Users },
	{ path: '/jobs', label: m.admin_jobs, icon: Import },
	{ path: '/songs', label: m.admin_songs, icon: Music },
	{ path: '/audit', label: m.admin_audit, icon: ScrollText }
] as const;
