import type { PlatformName } from '../domain/control-plane.ts';
import { hypershift } from './hypershift/hypershift.ts';
import type { Platform } from './platform.ts';

/** Every platform, one line each. */
export const platforms: Readonly<Record<PlatformName, Platform>> = { hypershift };
