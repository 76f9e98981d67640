"""The 100 Feynman equations: number in the lectures | what it is | formula | variables with their ranges.

Facts from AI Feynman (Udrescu and Tegmark, arXiv 1905.11481, FeynmanEquations.csv); the form is ours. A variable
without a range goes from 1 to 5. Formulas use `pi`, sqrt, exp, log, sin, cos, tanh, asin and sinc(x) = sin(x)/x.
Where the published form cancels (I.12.2, I.12.4, I.24.6) or is 0/0 at one point (III.9.52) it is written reduced.
"""

TABLE = """
I.6.2a    | standard normal density               | exp(-theta**2 / 2) / sqrt(2*pi)                                    | theta 1..3
I.6.2     | normal density around zero            | exp(-(theta/sigma)**2 / 2) / (sigma*sqrt(2*pi))                    | sigma 1..3, theta 1..3
I.6.2b    | normal density                        | exp(-((theta - theta1)/sigma)**2 / 2) / (sigma*sqrt(2*pi))         | sigma 1..3, theta 1..3, theta1 1..3
I.8.14    | distance in the plane                 | sqrt((x2 - x1)**2 + (y2 - y1)**2)                                  | x1, x2, y1, y2
I.9.18    | gravitation in three dimensions       | G*m1*m2 / ((x2 - x1)**2 + (y2 - y1)**2 + (z2 - z1)**2)             | m1 1..2, m2 1..2, G 1..2, x1 3..4, x2 1..2, y1 3..4, y2 1..2, z1 3..4, z2 1..2
I.10.7    | relativistic mass                     | m_0 / sqrt(1 - (v/c)**2)                                           | m_0, v 1..2, c 3..10
I.11.19   | scalar product                        | x1*y1 + x2*y2 + x3*y3                                              | x1, x2, x3, y1, y2, y3
I.12.1    | friction                              | mu*Nn                                                              | mu, Nn
I.12.2    | Coulomb force                         | q1*q2 / (4*pi*epsilon*r**2)                                        | q1, q2, epsilon, r
I.12.4    | field of a charge                     | q1 / (4*pi*epsilon*r**2)                                           | q1, epsilon, r
I.12.5    | force in an electric field            | q2*Ef                                                              | q2, Ef
I.12.11   | Lorentz force                         | q*(Ef + B*v*sin(theta))                                            | q, Ef, B, v, theta
I.13.4    | kinetic energy                        | m*(v**2 + u**2 + w**2) / 2                                         | m, v, u, w
I.13.12   | difference of gravitational energies  | G*m1*m2*(1/r2 - 1/r1)                                              | m1, m2, r1, r2, G
I.14.3    | energy of a lifted mass               | m*g*z                                                              | m, g, z
I.14.4    | energy of a spring                    | k_spring*x**2 / 2                                                  | k_spring, x
I.15.3x   | Lorentz transformation of a place     | (x - u*t) / sqrt(1 - (u/c)**2)                                     | x 5..10, u 1..2, c 3..20, t 1..2
I.15.3t   | Lorentz transformation of a time      | (t - u*x/c**2) / sqrt(1 - (u/c)**2)                                | x, c 3..10, u 1..2, t
I.15.1    | relativistic momentum                 | m_0*v / sqrt(1 - (v/c)**2)                                         | m_0, v 1..2, c 3..10
I.16.6    | addition of velocities                | (u + v) / (1 + u*v/c**2)                                           | c, v, u
I.18.4    | centre of mass                        | (m1*r1 + m2*r2) / (m1 + m2)                                        | m1, m2, r1, r2
I.18.12   | torque                                | r*F*sin(theta)                                                     | r, F, theta 0..5
I.18.14   | angular momentum                      | m*r*v*sin(theta)                                                   | m, r, v, theta
I.24.6    | energy of an oscillator               | m*(omega**2 + omega_0**2)*x**2 / 4                                 | m 1..3, omega 1..3, omega_0 1..3, x 1..3
I.25.13   | voltage of a capacitor                | q/C                                                                | q, C
I.26.2    | refraction                            | asin(n*sin(theta2))                                                | n 0..1, theta2
I.27.6    | focal length                          | 1 / (1/d1 + n/d2)                                                  | d1, d2, n
I.29.4    | wave number                           | omega/c                                                            | omega 1..10, c 1..10
I.29.16   | sum of two waves                      | sqrt(x1**2 + x2**2 - 2*x1*x2*cos(theta1 - theta2))                 | x1, x2, theta1, theta2
I.30.3    | diffraction by n slits                | Int_0*(sin(n*theta/2) / sin(theta/2))**2                           | Int_0, theta, n
I.30.5    | angle of a diffraction maximum        | asin(lambd / (n*d))                                                | lambd 1..2, d 2..5, n
I.32.5    | power radiated by a charge            | (q*a)**2 / (6*pi*epsilon*c**3)                                     | q, a, epsilon, c
I.32.17   | power of scattered light              | 4*pi/3 * epsilon*c*(Ef*r)**2 * omega**4 / (omega**2 - omega_0**2)**2 | epsilon 1..2, c 1..2, Ef 1..2, r 1..2, omega 1..2, omega_0 3..5
I.34.8    | frequency of a circling charge        | q*v*B/p                                                            | q, v, B, p
I.34.1    | Doppler effect                        | omega_0 / (1 - v/c)                                                | c 3..10, v 1..2, omega_0
I.34.14   | relativistic Doppler effect           | omega_0*(1 + v/c) / sqrt(1 - (v/c)**2)                             | c 3..10, v 1..2, omega_0
I.34.27   | energy of a photon                    | h*omega / (2*pi)                                                   | omega, h
I.37.4    | interference of two sources           | I1 + I2 + 2*sqrt(I1*I2)*cos(delta)                                 | I1, I2, delta
I.38.12   | Bohr radius                           | epsilon*h**2 / (pi*m*q**2)                                         | m, q, h, epsilon
I.39.1    | energy of a monatomic gas             | 3*pr*V / 2                                                         | pr, V
I.39.11   | energy of a gas                       | pr*V / (gamma - 1)                                                 | gamma 2..5, pr, V
I.39.22   | pressure of an ideal gas              | n*kb*T/V                                                           | n, T, V, kb
I.40.1    | barometric formula                    | n_0*exp(-m*g*x / (kb*T))                                           | n_0, m, x, T, g, kb
I.41.16   | black-body radiation                  | h*omega**3 / (2*pi**3*c**2 * (exp(h*omega / (2*pi*kb*T)) - 1))     | omega, T, h, kb, c
I.43.16   | drift velocity                        | mu_drift*q*Volt/d                                                  | mu_drift, q, Volt, d
I.43.31   | diffusion coefficient                 | mob*kb*T                                                           | mob, T, kb
I.43.43   | thermal conductivity                  | kb*v / ((gamma - 1)*A)                                             | gamma 2..5, kb, A, v
I.44.4    | work of an isothermal expansion       | n*kb*T*log(V2/V1)                                                  | n, kb, T, V1, V2
I.47.23   | speed of sound                        | sqrt(gamma*pr/rho)                                                 | gamma, pr, rho
I.48.2    | relativistic energy                   | m*c**2 / sqrt(1 - (v/c)**2)                                        | m, v 1..2, c 3..10
I.50.26   | distorted oscillation                 | x1*(cos(omega*t) + alpha*cos(omega*t)**2)                          | x1 1..3, omega 1..3, t 1..3, alpha 1..3
II.2.42   | heat flow through a wall              | kappa*(T2 - T1)*A/d                                                | kappa, T1, T2, A, d
II.3.24   | flux through a sphere                 | Pwr / (4*pi*r**2)                                                  | Pwr, r
II.4.23   | potential of a charge                 | q / (4*pi*epsilon*r)                                               | q, epsilon, r
II.6.11   | potential of a dipole                 | p_d*cos(theta) / (4*pi*epsilon*r**2)                               | epsilon 1..3, p_d 1..3, theta 1..3, r 1..3
II.6.15a  | transverse field of a dipole          | 3*p_d*z*sqrt(x**2 + y**2) / (4*pi*epsilon*r**5)                    | epsilon 1..3, p_d 1..3, r 1..3, x 1..3, y 1..3, z 1..3
II.6.15b  | transverse field of a dipole, polar   | 3*p_d*cos(theta)*sin(theta) / (4*pi*epsilon*r**3)                  | epsilon 1..3, p_d 1..3, theta 1..3, r 1..3
II.8.7    | energy of a charged ball              | 3*q**2 / (20*pi*epsilon*d)                                         | q, epsilon, d
II.8.31   | energy density of a static field      | epsilon*Ef**2 / 2                                                  | epsilon, Ef
II.10.9   | field in a dielectric                 | sigma_den / (epsilon*(1 + chi))                                    | sigma_den, epsilon, chi
II.11.3   | driven oscillator                     | q*Ef / (m*(omega_0**2 - omega**2))                                 | q 1..3, Ef 1..3, m 1..3, omega_0 3..5, omega 1..2
II.11.17  | orientation of dipoles                | n_0*(1 + p_d*Ef*cos(theta) / (kb*T))                               | n_0 1..3, kb 1..3, T 1..3, theta 1..3, p_d 1..3, Ef 1..3
II.11.20  | polarisation of dipoles               | n_rho*p_d**2*Ef / (3*kb*T)                                         | n_rho, p_d, Ef, kb, T
II.11.27  | polarisation of a dense gas           | n*alpha*epsilon*Ef / (1 - n*alpha/3)                               | n 0..1, alpha 0..1, epsilon 1..2, Ef 1..2
II.11.28  | dielectric constant of a dense gas    | 1 + n*alpha / (1 - n*alpha/3)                                      | n 0..1, alpha 0..1
II.13.17  | magnetic field of a wire              | I / (2*pi*epsilon*c**2*r)                                          | epsilon, c, I, r
II.13.23  | moving charge density                 | rho_c_0 / sqrt(1 - (v/c)**2)                                       | rho_c_0, v 1..2, c 3..10
II.13.34  | moving current density                | rho_c_0*v / sqrt(1 - (v/c)**2)                                     | rho_c_0, v 1..2, c 3..10
II.15.4   | energy of a magnetic dipole           | -mom*B*cos(theta)                                                  | mom, B, theta
II.15.5   | energy of an electric dipole          | -p_d*Ef*cos(theta)                                                 | p_d, Ef, theta
II.21.32  | potential of a moving charge          | q / (4*pi*epsilon*r*(1 - v/c))                                     | q, epsilon, r, v 1..2, c 3..10
II.24.17  | wave number in a wave guide           | sqrt((omega/c)**2 - (pi/d)**2)                                     | omega 4..6, c 1..2, d 2..4
II.27.16  | energy flux of a wave                 | epsilon*c*Ef**2                                                    | epsilon, c, Ef
II.27.18  | energy density of a wave              | epsilon*Ef**2                                                      | epsilon, Ef
II.34.2a  | current of a circling charge          | q*v / (2*pi*r)                                                     | q, v, r
II.34.2   | magnetic moment of a circling charge  | q*v*r / 2                                                          | q, v, r
II.34.11  | precession frequency                  | g_*q*B / (2*m)                                                     | g_, q, B, m
II.34.29a | Bohr magneton                         | q*h / (4*pi*m)                                                     | q, h, m
II.34.29b | energy of a moment in a field         | 2*pi*g_*mom*B*Jz / h                                               | g_, h, Jz, mom, B
II.35.18  | atoms in one of two states            | n_0 / (exp(mom*B / (kb*T)) + exp(-mom*B / (kb*T)))                 | n_0 1..3, kb 1..3, T 1..3, mom 1..3, B 1..3
II.35.21  | magnetisation of a paramagnet         | n_rho*mom*tanh(mom*B / (kb*T))                                     | n_rho, mom, B, kb, T
II.36.38  | argument of ferromagnetism            | mom/(kb*T) * (H + alpha*M / (epsilon*c**2))                        | mom 1..3, H 1..3, kb 1..3, T 1..3, alpha 1..3, epsilon 1..3, c 1..3, M 1..3
II.37.1   | energy of a magnetised moment         | mom*(1 + chi)*B                                                    | mom, B, chi
II.38.3   | Hooke's law                           | Y*A*x/d                                                            | Y, A, d, x
II.38.14  | shear modulus                         | Y / (2*(1 + sigma))                                                | Y, sigma
III.4.32  | Bose-Einstein occupation              | 1 / (exp(h*omega / (2*pi*kb*T)) - 1)                               | h, omega, kb, T
III.4.33  | energy of a quantum oscillator        | h*omega / (2*pi * (exp(h*omega / (2*pi*kb*T)) - 1))                | h, omega, kb, T
III.7.38  | spin precession                       | 4*pi*mom*B / h                                                     | mom, B, h
III.8.54  | two-state transition                  | sin(2*pi*E_n*t / h)**2                                             | E_n 1..2, t 1..2, h 1..4
III.9.52  | transition in an oscillating field    | 2*pi*p_d*Ef*t/h * sinc((omega - omega_0)*t / 2)**2                 | p_d 1..3, Ef 1..3, t 1..3, h 1..3, omega, omega_0
III.10.19 | energy of a spin in a field           | mom*sqrt(Bx**2 + By**2 + Bz**2)                                    | mom, Bx, By, Bz
III.12.43 | quantised angular momentum            | n*h / (2*pi)                                                       | n, h
III.13.18 | speed of a lattice wave               | 4*pi*E_n*d**2*k / h                                                | E_n, d, k, h
III.14.14 | diode                                 | I_0*(exp(q*Volt / (kb*T)) - 1)                                     | I_0, q 1..2, Volt 1..2, kb 1..2, T 1..2
III.15.12 | energy of a spin wave                 | 2*U*(1 - cos(k*d))                                                 | U, k, d
III.15.14 | effective mass                        | h**2 / (8*pi**2*E_n*d**2)                                          | h, E_n, d
III.15.27 | wave number in a lattice              | 2*pi*alpha / (n*d)                                                 | alpha, n, d
III.17.37 | angular distribution                  | beta*(1 + alpha*cos(theta))                                        | beta, alpha, theta
III.19.51 | energy levels of hydrogen             | -m*q**4 / (8*(epsilon*h*n)**2)                                     | m, q, h, n, epsilon
III.21.20 | superconducting current               | -rho_c_0*q*A_vec/m                                                 | rho_c_0, q, A_vec, m
"""  # noqa: E501
