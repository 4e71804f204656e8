/** What an administrator can do to an account, named by its effect. */
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import ShieldOff from '@lucide/svelte/icons/shield-off';
import UserCheck from '@lucide/svelte/icons/user-check';
import UserX from '@lucide/svelte/icons/user-x';
import type { Icon } from '@songkeep/ui';
import { answerOf, type Api, type Model } from '$lib/api';
import { m } from '$lib/paraglide/messages';

type User = Model<'AdminUser'>;

export interface Deed {
	user: User;
	label: string;
	icon: Icon;
	danger: boolean;
	/** What is said once it is done. */
	done: string;
	/** Asked first where it is felt at once. */
	question?: { title: string; text: string };
	run: () => Promise<Model<'AdminAccount'>>;
}

export class Deeds {
	#api: Api;

	constructor(api: Api) {
		this.#api = api;
	}

	of(user: User): Deed[] {
		return [this.#role(user), user.disabled ? this.#enable(user) : this.#disable(user)];
	}

	#disable(user: User): Deed {
		const { email } = user;
		return {
			user,
			label: m.admin_disable(),
			icon: UserX,
			danger: true,
			done: m.admin_disable_done({ email }),
			question: { title: m.admin_disable_title({ email }), text: m.admin_disable_text() },
			run: async () => answerOf(await this.#api.POST('/admin/users/{id}/disable', this.#path(user)))
		};
	}

	#enable(user: User): Deed {
		return {
			user,
			label: m.admin_enable(),
			icon: UserCheck,
			danger: false,
			done: m.admin_enable_done({ email: user.email }),
			run: async () => answerOf(await this.#api.POST('/admin/users/{id}/enable', this.#path(user)))
		};
	}

	#role(user: User): Deed {
		const { email } = user;
		const isAdmin = user.role === 'admin';
		const body = { role: isAdmin ? 'user' : 'admin' };
		return {
			user,
			label: isAdmin ? m.admin_demote() : m.admin_promote(),
			icon: isAdmin ? ShieldOff : ShieldCheck,
			danger: isAdmin,
			done: isAdmin ? m.admin_demote_done({ email }) : m.admin_promote_done({ email }),
			question: isAdmin
				? { title: m.admin_demote_title({ email }), text: m.admin_demote_text() }
				: { title: m.admin_promote_title({ email }), text: m.admin_promote_text() },
			run: async () => answerOf(await this.#api.POST('/admin/users/{id}/role', { ...this.#path(user), body }))
		};
	}

	#path(user: User) {
		return { params: { path: { id: user.id } } };
	}
}
